import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { Packer } from '../../archive/pack/pack.js';
import { understood } from '../../archive/pack/read-attributes.js';
import { readEntry } from '../../archive/tar/tar-entry.js';
import { encodeHeaders } from '../../archive/tar/tar-header.js';
import { attributesFrom, rawXattrs, type Attributes } from '../../entry/attributes.js';
import type { PackedMember } from '../../entry/member.js';
import { aclBytes, aclText, modeWithoutAcl } from '../../entry/posix-acl.js';
import { describeAttributes, folderWithAttributes, writeAttributedTree } from '../support/attributed-tree.js';
import { plan } from '../support/plan.js';
import { noise, tempFolder } from '../support/trees.js';

const text = 'user::rwx,user:1000:r--,group::r-x,group:2000:rw-,mask::rwx,other::---';

test('an ACL is the same as text and as bytes, and what is none is told', () => {
  const bytes = aclBytes(text);
  assert.ok(bytes !== undefined);
  assert.equal(aclText(bytes), text);
  // In the order and with the ids beside names that libarchive writes, and divided as GNU tar does.
  const other = 'user::rwx\ngroup::r-x\nother::---\nuser:somebody:r--:1000\ngroup:2000:rw-\nmask::rwx';
  assert.deepEqual(aclBytes(other), bytes);
  for (const wrong of [
    '',
    'user::rw',
    'user:alice:rwx',
    'everyone::rwx',
    'user:99999999999:rwx',
    'mask:1:rwx',
  ])
    assert.equal(aclBytes(wrong), undefined, wrong);
  for (const wrong of [Buffer.alloc(0), Buffer.from('nonsense'), bytes.subarray(0, -1), Buffer.alloc(12, 7)])
    assert.equal(aclText(wrong), undefined, wrong.toString('hex'));
});

test('where an ACL cannot be set, the group has its own entry as far as the mask allows, and not the mask', () => {
  const mode = (acl: string) => (modeWithoutAcl(0o4770, acl) & 0o7777).toString(8);
  assert.equal(mode('user::rwx,user:1000:rwx,group::r-x,mask::rwx,other::---'), '4750');
  assert.equal(mode('user::rwx,user:1000:rwx,group::rwx,mask::r-x,other::---'), '4750');
  assert.equal(mode('user::rwx,group::r-x,group:7:rwx,mask::rwx,other::r--'), '4754');
  assert.equal(mode('user::rwx,user:1000:r--,group::r-x,mask::r-x,other::---'), '4750');
  assert.equal(mode('user::rwx,user:1000:---,group:7:---,group::r-x,mask::r-x,other::r-x'), '4755');
  assert.equal(mode('no ACL at all'), '4700');
});

/** An archive's bytes as a source of its own. */
function sourceOf(data: Buffer): Parameters<typeof readEntry>[0] {
  const chunk = { start: 0, data };
  return {
    chunkAt: (at: number) => Promise.resolve(at < data.length ? chunk : undefined),
  } as Parameters<typeof readEntry>[0];
}

test('attributes of 64 KiB with any bytes, and names with any characters, come back from the headers', async () => {
  const attributes = attributesFrom([
    {
      name: Buffer.from('user.large'),
      value: Buffer.concat([noise(65_000, 'x'), Buffer.from('\n12 path=evil\n\0')]),
    },
    { name: Buffer.from('user.empty'), value: Buffer.alloc(0) },
    { name: Buffer.from('user.a=b%3Dc%25d%e'), value: Buffer.from('=') },
    { name: Buffer.from('user.\xff\n\\', 'latin1'), value: Buffer.from('raw name') },
  ]) as Attributes;
  attributes.accessAcl = text;
  attributes.defaultAcl = text;
  const member = {
    ...({ type: 'file', linkTarget: null, attributes } as const),
    ...{ size: 0, mtimeS: 1, mtimeNs: 5, mode: 0o644, uid: 0, gid: 0 },
  };
  for (const name of ['plain', 'n'.repeat(300), 'invalid-\xff']) {
    const data = Buffer.concat([encodeHeaders({ ...member, name }), Buffer.alloc(1024)]);
    const entry = await readEntry(sourceOf(data), 0);
    assert.equal(entry?.name, name);
    assert.equal(entry.mtimeNs, 5);
    assert.deepEqual(entry.attributes, attributes);
    assert.equal(entry.contentOffset, data.length - 1024);
    const values = rawXattrs(entry.attributes).map((one) => Buffer.from(one.name).toString('latin1'));
    assert.deepEqual(values, ['user.\xff\n\\', 'user.a=b%3Dc%25d%e', 'user.empty', 'user.large']);
  }
  // A further hard link is the same file, whose attributes the first one brings.
  const link = { ...member, name: 'link', type: 'link' as const, linkTarget: 'plain' };
  assert.equal(encodeHeaders(link).length, encodeHeaders({ ...link, attributes: undefined }).length);
});

test('an attribute that cannot be read is named with its reason, and the others are kept', () => {
  const name = (of: string) => Buffer.from(of);
  const tooLarge = { name: name('user.huge'), error: 7 };
  const found = understood([tooLarge, { name: name('user.a'), value: Buffer.from('a') }]);
  assert.deepEqual(found.attributes, { xattrs: { 'user.a': 'YQ==' } });
  assert.equal(found.lacks, 'is stored without its attribute user.huge (more than the system reads, E2BIG)');
  assert.match(
    understood([{ name: name(''), error: 5 }]).lacks ?? '',
    /without its attributes \(input\/output error/,
  );
  const acl = { name: name('system.posix_acl_access'), value: Buffer.from('nonsense') };
  assert.match(understood([acl]).lacks ?? '', /posix_acl_access \(of an unknown form\)/);
  assert.deepEqual(understood(null), { attributes: undefined, lacks: undefined });
});

interface Packed {
  archive: string;
  manifest: string;
  members: PackedMember[];
}

const header = {
  ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '', installation: 'i' },
  ...{ sources: [], hostname: 'h', mode: 'full', platform: process.platform },
};

async function pack(t: TestContext, source: string): Promise<Packed> {
  const folder = tempFolder(t);
  const [archive, manifest] = [path.join(folder, 'a.tar.gz'), path.join(folder, 'a.manifest')];
  const paths = { archivePath: archive, manifestPath: manifest };
  const options = { ...paths, level: 1, inFlight: 2, maxBytes: null, manifestHeader: header };
  const packer = await Packer.open(options, () => false);
  const { packed, skipped } = await packer.add(plan(source));
  assert.deepEqual(skipped, []);
  await packer.finish([]);
  return { archive, manifest, members: packed };
}

const named = (all: readonly PackedMember[], name: string) => all.find((one) => one.name.endsWith(name));

test('GNU tar and bsdtar bring back every attribute, ACL, capability and label of a tree', async (t) => {
  const made = folderWithAttributes(t);
  if ('skip' in made) return t.skip(made.skip);
  const { folder: source } = made;
  writeAttributedTree(source);
  const { archive, members } = await pack(t, source);
  assert.equal(named(members, 'plain/none')?.attributes, undefined);
  const was = describeAttributes(source);
  assert.match(was, /security\.capability[^]*trusted\.link[^]*default:user:1234:rwx/);
  const target = tempFolder(t);
  execFileSync('tar', ['--xattrs', '--xattrs-include=*', '--acls', '-xpf', archive, '-C', target]);
  assert.equal(describeAttributes(path.join(target, source)), was);
  if (spawnSync('bsdtar', ['--version']).status !== 0) return t.diagnostic('bsdtar is not here');
  const bsd = tempFolder(t);
  execFileSync('bsdtar', ['-xpf', archive, '-C', bsd]);
  // libarchive 3.6 takes a name with an escaped character as it stands.
  assert.equal(describeAttributes(path.join(bsd, source)), was.replaceAll('user.a\\075b', 'user.a%3Db'));
});

test('the manifest has the attributes of files, folders, links and hard links, and so has one made from the archive', async (t) => {
  const made = folderWithAttributes(t);
  if ('skip' in made) return t.skip(made.skip);
  const { folder: source } = made;
  writeAttributedTree(source);
  const { archive, manifest, members } = await pack(t, source);
  const shared = named(members, 'acl/shared/')?.attributes;
  assert.equal(shared?.defaultAcl, 'user::rwx,user:1234:rwx,group::r-x,group:2345:r-x,mask::rwx,other::r-x');
  assert.deepEqual(Object.keys(named(members, 'odd/link')?.attributes?.xattrs ?? {}), [
    'security.selinux',
    'trusted.link',
  ]);
  const again = named(members, 'odd/values-again');
  assert.equal(again?.type, 'link');
  assert.deepEqual(again.attributes, named(members, 'odd/values')?.attributes);
  const listed: PackedMember[] = [];
  for await (const entry of manifestEntries(manifest)) if ('member' in entry) listed.push(entry.member);
  const attributesOf = (all: readonly PackedMember[]) => all.map((one) => [one.name, one.attributes]);
  assert.deepEqual(attributesOf(listed), attributesOf(members));

  const rebuilt = `${manifest}.rebuilt`;
  await rebuildManifest(archive, 'gzip', rebuilt, header);
  const identity = { set: header.set, group: 1, archives: [header.archive] };
  const facts = await examineManifest(rebuilt, identity);
  assert.ok('end' in facts, JSON.stringify(facts));
  const found: PackedMember[] = [];
  for await (const entry of manifestEntries(rebuilt)) if ('member' in entry) found.push(entry.member);
  const firsts = (all: readonly PackedMember[]) => attributesOf(all.filter(({ type }) => type !== 'link'));
  assert.deepEqual(firsts(found), firsts(members));
});

test('a file of which only the ACL has changed is not stored again, and its line has the new one', async (t) => {
  const made = folderWithAttributes(t);
  if ('skip' in made) return t.skip(made.skip);
  const { folder: source } = made;
  writeAttributedTree(source);
  const before = await pack(t, source);
  const file = path.join(source, 'acl/file');
  execFileSync('setfacl', ['-m', 'u:1234:---', file]);
  const held = named(before.members, 'acl/file');
  assert.ok(held?.sha256);
  const [planned] = plan(source).filter(({ name }) => name.endsWith('acl/file'));
  assert.ok(planned !== undefined);
  const { sha256 } = held;
  planned.held = { set: '2026-11_000001', group: 1, offset: held.offset, linkTarget: null, sha256 };
  const folder = tempFolder(t);
  const paths = { archivePath: path.join(folder, 'a'), manifestPath: path.join(folder, 'm') };
  const options = { ...paths, level: 1, inFlight: 2, maxBytes: null, manifestHeader: header };
  const packer = await Packer.open(options, () => false);
  const { packed, unchanged } = await packer.add([planned]);
  await packer.finish([]);
  assert.deepEqual(packed, []);
  assert.match(unchanged[0]?.attributes?.accessAcl ?? '', /user:1234:---/);
  const kept: (string | undefined)[] = [];
  for await (const entry of manifestEntries(paths.manifestPath))
    if ('kept' in entry) kept.push(entry.kept.attributes?.accessAcl);
  assert.deepEqual(kept, [unchanged[0]?.attributes?.accessAcl]);
});
