import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { chunkBytes, sealedChunkBytes } from '../../archive/age/age-format.js';
import { openSealedFile, NotOpened } from '../../archive/age/open-seal.js';
import { Seal, WrongRecipient } from '../../archive/age/seal.js';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { openBytes } from '../../archive/readers/open-bytes.js';
import { archiveFormats } from '../../entry/archive-format.js';
import { header, packHere, unpackHere } from '../support/archive-here.js';
import { plan } from '../support/plan.js';
import { onPath, withoutZstd } from '../support/zstd-here.js';
import { flipBit, noise, tempFolder, writeTree } from '../support/trees.js';

async function keys(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateIdentity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Encrypts in parts of odd sizes. */
async function sealed(content: Buffer, recipients: string[]): Promise<Buffer> {
  const seal = await Seal.to(recipients);
  const parts = [seal.begin];
  for (let at = 0, part = 1; at < content.length; at += part, part = (part * 7 + 1) % 200_003)
    parts.push(Buffer.from(seal.add(content.subarray(at, at + part))));
  return Buffer.concat([...parts, seal.end()]);
}

test('what is encrypted to two recipients is opened by each, by the package and by age itself', async (t) => {
  const [one, two] = [await keys(), await keys()];
  const folder = tempFolder(t);
  for (const bytes of [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, 700_001]) {
    const content = noise(bytes, `age ${bytes}`);
    const file = path.join(folder, `${bytes}.age`);
    writeFileSync(file, await sealed(content, [one.recipient, two.recipient]));
    for (const { identity } of [one, two]) {
      const decrypter = new Decrypter();
      decrypter.addIdentity(identity);
      assert.ok(content.equals(await decrypter.decrypt(new Uint8Array(readFileSync(file)))), `${bytes}`);
    }
    const { key } = await openSealedFile(file, [two.identity]);
    const reader = openBytes(file, true, key);
    assert.equal(reader.size, bytes);
    const whole = Buffer.alloc(bytes + 10);
    assert.deepEqual(await reader.read(whole, 0, false), { bytes, holes: [] });
    assert.ok(whole.subarray(0, bytes).equals(content));
    if (bytes > 0)
      assert.equal(reader.sha256(), createHash('sha256').update(readFileSync(file)).digest('hex'));
    reader.close();
    if (!onPath('age')) continue;
    const keyFile = path.join(folder, 'key.txt');
    writeFileSync(keyFile, `# a comment\n${one.identity}\n`);
    const age = spawnSync('age', ['-d', '-i', keyFile, file], { maxBuffer: 1e7 });
    assert.equal(age.status, 0, String(age.stderr));
    assert.ok(content.equals(age.stdout));
  }
});

test('any range of what somebody else has encrypted is read', async (t) => {
  const { identity, recipient } = await keys();
  const content = noise(5 * chunkBytes + 123, 'ranges');
  const file = path.join(tempFolder(t), 'x.age');
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  writeFileSync(file, await encrypter.encrypt(content));
  const { key } = await openSealedFile(file, [identity]);
  const reader = openBytes(file, false, key);
  t.after(() => reader.close());
  for (const [from, to] of [
    [0, 10],
    [chunkBytes - 1, chunkBytes + 1],
    [chunkBytes, 3 * chunkBytes],
    [5 * chunkBytes + 100, content.length],
    [7, content.length],
  ] as const) {
    const into = Buffer.alloc(to - from);
    assert.deepEqual(await reader.read(into, from, true), { bytes: to - from, holes: [] });
    assert.ok(into.equals(content.subarray(from, to)), `${from} to ${to}`);
  }
});

test('a flipped byte costs its chunk, and a cut what is behind it', async (t) => {
  const { identity, recipient } = await keys();
  const content = noise(4 * chunkBytes, 'flip');
  const file = path.join(tempFolder(t), 'x.age');
  writeFileSync(file, await sealed(content, [recipient]));
  const { key } = await openSealedFile(file, [identity]);
  const holesNow = async () => {
    const reader = openBytes(file, false, key);
    try {
      const { holes } = await reader.read(Buffer.alloc(content.length), 0, false);
      return {
        size: reader.size,
        holes: holes.map(({ from, to, isUnreadable }) => [from, to, isUnreadable]),
      };
    } finally {
      reader.close();
    }
  };
  flipBit(file, key.begins + sealedChunkBytes + 5);
  assert.deepEqual(await holesNow(), { size: content.length, holes: [[chunkBytes, 2 * chunkBytes, false]] });
  truncateSync(file, key.begins + 3 * sealedChunkBytes);
  assert.deepEqual(await holesNow(), { size: 3 * chunkBytes, holes: [[chunkBytes, 2 * chunkBytes, false]] });
});

test('another identity, a damaged header and a wrong recipient are told apart', async (t) => {
  const [one, two] = [await keys(), await keys()];
  const file = path.join(tempFolder(t), 'x.age');
  writeFileSync(file, await sealed(Buffer.from('x'), [one.recipient]));
  const isOpened = (isDamaged: boolean) => (error: unknown) =>
    error instanceof NotOpened && error.isDamaged === isDamaged;
  await assert.rejects(openSealedFile(file, [two.identity]), isOpened(false));
  await assert.rejects(openSealedFile(file, []), isOpened(false));
  flipBit(file, 3);
  await assert.rejects(openSealedFile(file, [one.identity]), isOpened(true));
  await assert.rejects(Seal.to([one.recipient.slice(0, -1)]), WrongRecipient);
});

const skipOf = (format: string) => ({ skip: format === 'zstd' ? withoutZstd : false });

/** A tree of which one file spans several blocks. */
function sampleTree(t: TestContext): string {
  const root = tempFolder(t);
  writeTree(root, { 'a/small': 'small', 'b/large': noise(3_000_000, 'large'), 'c/last': 'last' });
  return root;
}

for (const format of archiveFormats)
  test(
    `an encrypted archive of ${format} is restored, and its manifest rebuilt from it`,
    skipOf(format),
    async (t) => {
      const { identity, recipient } = await keys();
      const source = sampleTree(t);
      const made = await packHere(t, plan(source), { recipients: [recipient], format });
      const opened = await openSealedFile(made.archive, [identity]);
      assert.equal(made.index.ageHeader, opened.begin.toString('base64'));
      assert.equal(made.index.size, statSync(made.archive).size);
      assert.ok(!readFileSync(made.archive).includes('small'));
      for (const { index } of [made, { index: undefined }]) {
        const target = tempFolder(t);
        const taken = await unpackHere({ ...made, index: index as typeof made.index }, target, {
          format,
          index,
          opened: opened.key,
        });
        assert.ok(taken.every(({ outcome }) => outcome === 'restored'));
        for (const name of ['a/small', 'b/large', 'c/last'])
          assert.ok(
            readFileSync(path.join(source, name)).equals(readFileSync(path.join(target, source, name))),
            name,
          );
      }
      const listed = await openSealedFile(made.manifest, [identity]);
      const who = { set: header.set, group: 1, archives: [header.archive] };
      const facts = await examineManifest(made.manifest, who, listed.key);
      assert.ok(!('wrong' in facts), JSON.stringify(facts));
      assert.equal(facts.end.sha256, made.index.sha256);
      const rebuilt = path.join(tempFolder(t), 'rebuilt');
      assert.deepEqual(await rebuildManifest(made.archive, format, rebuilt, header, opened), {
        damage: undefined,
      });
      const again = await examineManifest(rebuilt, who);
      assert.ok(!('wrong' in again), JSON.stringify(again));
      const of = ({ size, sha256, tarBytes, blocks, ageHeader }: typeof facts.end) => ({
        ...{ size, sha256, tarBytes, blocks, ageHeader },
      });
      assert.deepEqual(of(again.end), of(facts.end));
      const names: string[] = [];
      for await (const entry of manifestEntries(made.manifest, listed.key))
        if ('member' in entry) names.push(entry.member.name);
      assert.deepEqual(
        names,
        made.packed.map(({ name }) => name),
      );
      // The manifest's own key does not open the archive.
      const other = path.join(tempFolder(t), 'copy');
      copyFileSync(made.archive, other);
      const wrong = await unpackHere({ ...made, archive: other }, null, { format, opened: listed.key });
      assert.ok(wrong.some(({ outcome }) => outcome === 'failed'));
    },
  );

test('a flipped byte of an encrypted archive costs the files of its block', async (t) => {
  const { identity, recipient } = await keys();
  const source = sampleTree(t);
  const made = await packHere(t, plan(source), { recipients: [recipient] });
  const { key } = await openSealedFile(made.archive, [identity]);
  flipBit(made.archive, key.begins + 20 * sealedChunkBytes);
  const taken = await unpackHere(made, tempFolder(t), { opened: key });
  const failed = taken.filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual(
    failed.map(({ name, damaged }) => [path.basename(name), damaged]),
    [['large', true]],
  );
  assert.match(failed[0]?.reason ?? '', /cannot be decrypted, since they are damaged/);
});
