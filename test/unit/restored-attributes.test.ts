import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Packer } from '../../archive/pack/pack.js';
import { finishFolder } from '../../archive/unpack/finish-tree.js';
import { MetadataSetter } from '../../archive/unpack/put-metadata.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import type { Overwrite, WantedMember } from '../../archive/unpack/unpack-options.js';
import type { BlockIndex } from '../../entry/block-index.js';
import type { PackedMember } from '../../entry/member.js';
import { countUnset, type UnsetCounts } from '../../entry/metadata-kind.js';
import { ownersAsBackedUp, type OwnerChoice } from '../../entry/owner-choice.js';
import {
  describeAttributes,
  folderWithAttributes,
  folderWithoutAttributes,
  writeAttributedTree,
} from '../support/attributed-tree.js';
import { plan } from '../support/plan.js';
import { assertSameTree, tempFolder } from '../support/trees.js';

/** The user `nobody`, who owns nothing. */
const nobody = 65_534;

interface Packed {
  source: string;
  archive: string;
  members: PackedMember[];
  index: BlockIndex;
}

/** A tree with attributes and its archive, or why it cannot be made here. */
async function packedTree(t: TestContext): Promise<Packed | { skip: string }> {
  const made = folderWithAttributes(t);
  if ('skip' in made) return made;
  const { folder: source } = made;
  writeAttributedTree(source);
  const archive = path.join(tempFolder(t), 'a.tar.gz');
  const header = {
    ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '', installation: 'i' },
    ...{ sources: [], hostname: 'h', mode: 'full', platform: process.platform },
  };
  const paths = { archivePath: archive, manifestPath: `${archive}.manifest` };
  const options = { ...paths, level: 1, inFlight: 2, maxBytes: null, manifestHeader: header };
  const packer = await Packer.open(options, () => false);
  const { packed } = await packer.add(plan(source));
  const { archive: index } = await packer.finish([]);
  return { source, archive, members: packed, index };
}

function wantedOf(members: readonly PackedMember[]): WantedMember[] {
  const offsets = new Map(members.map(({ name, offset }) => [name, offset]));
  return members.map(({ type, ...member }) => ({
    ...member,
    type: type === 'link' ? 'file' : type,
    linkOffset: type === 'link' ? (offsets.get(member.linkTarget ?? '') ?? null) : null,
  }));
}

/** Restores everything as a restore does, folders last; returns how many entries lack what, and the problems. */
async function restore(
  { archive, members, index }: Packed,
  target: string,
  options: { overwrite?: Overwrite; owners?: OwnerChoice; asNobody?: boolean } = {},
): Promise<{ unset: UnsetCounts; problems: string[] }> {
  const { overwrite = 'never', owners = ownersAsBackedUp, asNobody = false } = options;
  const job = { name: 'j', token: 't' };
  const unpacker = await Unpacker.open(
    { archivePath: archive, index, target, overwrite, owners, own: {}, job, inFlight: 2 },
    () => false,
  );
  const unset: UnsetCounts = {};
  const problems: string[] = [];
  if (asNobody) process.seteuid?.(nobody);
  try {
    for (const result of await unpacker.take(wantedOf(members))) {
      countUnset(unset, result.unset ?? []);
      if (result.reason !== undefined) problems.push(`${result.name}: ${result.reason}`);
    }
    const tree = new TargetTree(target, job, {});
    const metadata = new MetadataSetter({ owners });
    for (const folder of members.filter(({ type }) => type === 'directory').reverse()) {
      const { reason, unset: lacks } = finishFolder(tree, folder, metadata);
      countUnset(unset, lacks ?? []);
      if (reason !== undefined) problems.push(`${folder.name}: ${reason}`);
    }
    tree.close();
  } finally {
    if (asNobody) process.seteuid?.(0);
    unpacker.close();
  }
  return { unset, problems };
}

const modeOf = (file: string) => (lstatSync(file).mode & 0o7777).toString(8);

test('a restored tree has every attribute, ACL, capability and label, and none that its target would give it', async (t) => {
  const packed = await packedTree(t);
  if ('skip' in packed) return t.skip(packed.skip);
  const target = tempFolder(t);
  execFileSync('setfacl', ['-d', '-m', 'u:77:rwx,g:78:rwx', target]);
  assert.deepEqual(await restore(packed, target), { unset: {}, problems: [] });
  const there = path.join(target, packed.source);
  assert.equal(describeAttributes(there), describeAttributes(packed.source));
  assertSameTree(there, packed.source, { folderTimes: true });
});

test('where a target has no attributes, content comes back, what is missing is counted, and no mode gives more than the ACL', async (t) => {
  const packed = await packedTree(t);
  if ('skip' in packed) return t.skip(packed.skip);
  const target = folderWithoutAttributes(t);
  if (target === undefined) return t.skip('mounting a ramfs is not allowed here');
  assert.equal(modeOf(path.join(packed.source, 'acl/file')), '670', 'the mask');
  const { unset, problems } = await restore(packed, target);
  assert.deepEqual(problems, []);
  const having = (has: (attributes: NonNullable<PackedMember['attributes']>) => boolean) =>
    packed.members.filter(({ attributes }) => attributes !== undefined && has(attributes)).length;
  assert.deepEqual(unset, {
    attributes: having(({ xattrs = {} }) =>
      Object.keys(xattrs).some((name) => name !== 'security.capability'),
    ),
    acl: having(({ accessAcl, defaultAcl }) => accessAcl !== undefined || defaultAcl !== undefined),
    capability: 1,
  });
  const at = (name: string) => path.join(target, packed.source, name);
  assert.equal(readFileSync(at('odd/values'), 'utf8'), 'odd values');
  assert.equal(modeOf(at('acl/file')), '640', 'the owning group has its own entry');
  assert.equal(modeOf(at('acl/denied')), '664', "whom the ACL names is no part of the group's own entry");
  assert.equal(modeOf(at('acl/shared')), '755');
});

test('a user who may not set everything gets the rest, and is told how many entries lack what', async (t) => {
  const packed = await packedTree(t);
  if ('skip' in packed) return t.skip(packed.skip);
  const target = tempFolder(t);
  chownSync(target, nobody, nobody);
  chmodSync(path.dirname(packed.archive), 0o755);
  chownSync(packed.archive, nobody, nobody);
  const { unset, problems } = await restore(packed, target, { asNobody: true });
  assert.deepEqual(problems, []);
  assert.equal(unset.capability, 1);
  assert.equal(unset.acl, undefined);
  // Those of root: `odd/values` with its other name, and `odd/link`.
  assert.equal(unset.attributes, 3);
  const kept = describeAttributes(path.join(target, packed.source));
  for (const name of ['user.bytes', 'user.kept', 'user.folder', 'user.long', 'user:1234:rwx'])
    assert.ok(kept.includes(name), name);
  const readOnly = path.join(target, packed.source, 'odd/read-only');
  assert.equal(modeOf(readOnly), '444');
  // Not even its owner may set attributes of a file that may not be written.
  execFileSync('setfattr', ['-n', 'user.kept', '-v', 'another', readOnly]);
  await restore(packed, target, { overwrite: 'always', asNobody: true });
  const value = execFileSync('getfattr', ['--only-values', '-n', 'user.kept', readOnly], {
    encoding: 'utf8',
  });
  assert.deepEqual([value, modeOf(readOnly)], ['also here', '444']);
});

test('a second restore puts attributes right without writing the content again, and numbers in ACLs follow --owner-map', async (t) => {
  const packed = await packedTree(t);
  if ('skip' in packed) return t.skip(packed.skip);
  const target = tempFolder(t);
  await restore(packed, target);
  const at = (name: string) => path.join(target, packed.source, name);
  const inode = lstatSync(at('acl/file')).ino;
  execFileSync('setfacl', ['-m', 'u:99:rwx,g::rwx', at('acl/file')]);
  execFileSync('setfacl', ['-b', at('acl/denied')]);
  execFileSync('setfattr', ['-n', 'user.added', '-v', 'x', at('plain/none')]);
  execFileSync('setfattr', ['-x', 'security.capability', at('caps/program')]);
  execFileSync('setfattr', ['-n', 'user.kept', '-v', 'another', at('odd/read-only')]);
  const lacking = await restore(packed, target);
  assert.deepEqual(lacking.problems, []);
  assert.deepEqual([lacking.unset.acl, lacking.unset.capability, lacking.unset.attributes], [2, 1, 2]);
  const mended = await restore(packed, target, { overwrite: 'always' });
  assert.deepEqual(mended, { unset: {}, problems: [] });
  assert.equal(describeAttributes(path.join(target, packed.source)), describeAttributes(packed.source));
  assert.equal(lstatSync(at('acl/file')).ino, inode);

  const owners: OwnerChoice = { set: true, users: [[1234, 4321]], groups: [[2345, 5432]] };
  await restore(packed, target, { overwrite: 'always', owners });
  const acl = execFileSync('getfacl', ['-n', '-c', at('acl/file')], { encoding: 'utf8' });
  assert.match(acl, /user:4321:rwx[^]*group:5432:r-x/);
});
