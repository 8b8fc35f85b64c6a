import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { sealedChunkBytes } from '../../archive/age/age-format.js';
import { TapeflowFailure } from '../../config/failures.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import { recipientsOf } from '../../catalog/sets/recipients.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { fetchArchive } from '../../activities/tape-copy/fetch-archive.js';
import { storeArchive } from '../../activities/tape-copy/store-archive.js';
import { syncCopies } from '../../activities/tape-copy/sync-copies.js';
import { planCopies } from '../../catalog/retrievals/plan/plan-copies.js';
import { insertRetrieval, pendingArchives } from '../../catalog/retrievals/retrievals.js';
import { tapeByName } from '../../catalog/tapes/tapes.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { FolderDrive } from '../support/two-tapes.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { assertSameTree, flipBit, noise, settled, tempFolder, writeTree } from '../support/trees.js';
import { onPath } from '../support/zstd-here.js';

/** A file with a new identity, and its recipient. */
async function keyFile(t: TestContext): Promise<{ file: string; recipient: string }> {
  const identity = await generateIdentity();
  const file = path.join(tempFolder(t), 'key.txt');
  writeFileSync(file, `# created: now\n${identity}\n`, { mode: 0o600 });
  return { file, recipient: await identityToRecipient(identity) };
}

async function encryptedSets(t: TestContext, more: Record<string, string> = {}) {
  const key = await keyFile(t);
  const env = { ENCRYPT: 'true', AGE_RECIPIENTS: key.recipient, AGE_IDENTITY_FILE: key.file, ...more };
  const sets = await setsInProcess(t, env);
  const source = tempFolder(t);
  writeTree(source, {
    'secret-a': 'some words',
    'secret-b': noise(2_500_000, 'b'),
    'secret-c': 'more words',
  });
  await settled(source);
  return { sets, source, key };
}

/** Forgets, or names, where identities are. */
function tell({ settings }: { settings: object }, file: string | undefined): void {
  (settings as { AGE_IDENTITY_FILE: string | undefined }).AGE_IDENTITY_FILE = file;
}

test('an encrypted set is restored with its identity, and without tapeflow; the tape tells no name', async (t) => {
  const { sets, source, key } = await encryptedSets(t);
  const { setId, recipients } = await sets.backUp(source, 'full');
  assert.deepEqual(recipients, [key.recipient]);
  const folder = path.join(sets.tapeDir, setId);
  const names = readdirSync(folder).sort();
  const [archive, manifest] = [
    `backup_${setId}_000001.tar.gz.age`,
    `backup_${setId}_000001.manifest.jsonl.gz.age`,
  ];
  assert.deepEqual(names, [`backup_${setId}.end.json`, archive, manifest].sort());
  for (const name of names) {
    const bytes = readFileSync(path.join(folder, name));
    for (const word of ['secret', path.basename(source), 'some words', key.recipient])
      assert.ok(!bytes.includes(word), `${name} tells ${word}`);
  }
  const mark = JSON.parse(readFileSync(path.join(folder, names[0] ?? ''), 'utf8')) as { entries: number };
  assert.equal(mark.entries, 0);
  const target = tempFolder(t);
  assert.equal((await sets.restore(setId, target)).status, 'completed');
  assertSameTree(source, path.join(target, source));
  if (onPath('age')) {
    const plain = tempFolder(t);
    const commands = 'age -d -i "$1" "$2" | tar xz -C "$3"';
    const { status, stderr } = spawnSync('sh', [
      '-c',
      commands,
      'sh',
      key.file,
      path.join(folder, archive),
      plain,
    ]);
    assert.equal(status, 0, String(stderr));
    assertSameTree(source, path.join(plain, source));
  }
  // Nobody needs the header on the tape: the catalog has it.
  flipBit(path.join(folder, archive), 50);
  const again = await sets.restore(setId, tempFolder(t));
  assert.deepEqual(again.problems, []);
});

test('a restore without the identity, or with another one, says so and blames no copy', async (t) => {
  const { sets, source } = await encryptedSets(t);
  const { setId } = await sets.backUp(source, 'full');
  tell(sets, undefined);
  await assert.rejects(sets.restore(setId, tempFolder(t)), /is encrypted, and host .* is told no identity/);
  tell(sets, (await keyFile(t)).file);
  await assert.rejects(sets.restore(setId, tempFolder(t)), /cannot be opened: no identity here opens it/);
  tell(sets, path.join(tempFolder(t), 'nowhere'));
  await assert.rejects(sets.restore(setId, tempFolder(t)), /The file of identities .*nowhere cannot be read/);
  const damaged = await sets.catalog
    .selectFrom('copies')
    .select('damage')
    .where('damage', 'is not', null)
    .execute();
  assert.deepEqual(damaged, []);
});

test('a verify finds damage without the identity, and with it which file it hits', async (t) => {
  const { sets, source, key } = await encryptedSets(t);
  const { setId } = await sets.backUp(source, 'full');
  tell(sets, undefined);
  const good = await sets.verify(setId);
  assert.deepEqual([good.status, good.problems], ['completed', []]);
  const archive = (await archiveOf(sets.catalog, setId, 1)) ?? assert.fail();
  flipBit(path.join(sets.tapeDir, setId, archive.name), 300 + 20 * sealedChunkBytes);
  const closed = await sets.verify(setId);
  assert.equal(closed.status, 'incomplete');
  assert.match(closed.problems[0]?.reason ?? '', /SHA-256 of .* is told with its identity only/);
  tell(sets, key.file);
  const opened = await sets.verify(setId);
  assert.equal(opened.status, 'incomplete');
  const named = opened.problems.flatMap((problem) => (problem.path === null ? [] : [String(problem.path)]));
  assert.deepEqual(
    named.map((name) => path.basename(name)),
    ['secret-b'],
  );
  assert.match(opened.problems[0]?.reason ?? '', /cannot be decrypted, since they are damaged/);
});

test('the catalog is read from encrypted tapes with the identity, and without it nothing is claimed', async (t) => {
  const { sets, source, key } = await encryptedSets(t);
  const { setId } = await sets.backUp(source, 'full');
  tell(sets, undefined);
  const fresh = await sets.rebuilt();
  assert.deepEqual(fresh.reading.counts, { added: 0, copy: 0, known: 0, refused: 1 });
  assert.match(fresh.reading.troubles[0] ?? '', /left out: it is encrypted, and no identity is given/);
  tell(sets, key.file);
  tell(fresh.deps, key.file);
  const known = await fresh.readAgain();
  assert.deepEqual([known.counts.added, known.troubles], [1, []]);
  assert.deepEqual(recipientsOf(await setNamed(fresh.catalog, setId)), [key.recipient]);
  const target = tempFolder(t);
  assert.equal((await fresh.restore(setId, target)).status, 'completed');
  assertSameTree(source, path.join(target, source));
  // What the catalog knows is compared without the identity.
  tell(sets, undefined);
  const compared = await fresh.readAgain();
  assert.deepEqual([compared.counts.known, compared.troubles], [1, []]);
  // Without its manifest the archive itself is read.
  tell(sets, key.file);
  rmSync(path.join(sets.tapeDir, setId, `backup_${setId}_000001.manifest.jsonl.gz.age`));
  const alone = await sets.rebuilt();
  assert.equal(alone.reading.counts.added, 1);
  const other = tempFolder(t);
  assert.equal((await alone.restore(setId, other)).status, 'incomplete', 'no manifest tells its base');
  assertSameTree(source, path.join(other, source));
});

test('an incremental set builds only on what the same people can read', async (t) => {
  const { sets, source, key } = await encryptedSets(t);
  const other = (await keyFile(t)).recipient;
  const first = await sets.backUp(source, 'full');
  const same = await sets.backUp(source, 'incremental');
  assert.equal(same.base, first.setId);
  assert.equal(same.unchanged, 3);
  const rotated = await sets.backUp(source, 'incremental', [], { AGE_RECIPIENTS: [key.recipient, other] });
  assert.deepEqual([rotated.mode, rotated.base], ['full', null]);
  const fewer = await sets.backUp(source, 'incremental', [], { AGE_RECIPIENTS: [key.recipient] });
  assert.notEqual(fewer.base, null);
  const plain = await sets.backUp(source, 'incremental', [], { ENCRYPT: false });
  assert.deepEqual([plain.mode, plain.base], ['full', null]);
  const target = tempFolder(t);
  assert.equal((await sets.restore(same.setId, target)).status, 'completed');
  assertSameTree(source, path.join(target, source));
});

test('an encrypted archive without its manifest is copied without an identity, and the copy gets a manifest', async (t) => {
  const drive = FolderDrive.in(t);
  drive.load('A1');
  const { sets, source, key } = await encryptedSets(t, { TAPE_PATH: drive.path });
  tell(sets, undefined);
  const { deps, attempt, catalog } = sets;
  const { setId } = await sets.backUp(source, 'full');
  const manifest = (tape: string) =>
    path.join(drive.at(tape), setId, `backup_${setId}_000001.manifest.jsonl.gz.age`);
  rmSync(manifest('A1'));
  const { archives } = await planCopies(catalog, { setId }, 'B', undefined);
  const row = { kind: 'copy', subject: setId, drive: 'lto1', target: null, overwrite: 'never' } as const;
  const { id } = await insertRetrieval(catalog, { ...row, selection: '{}' }, archives, []);
  const [{ no } = { no: 0 }] = await pendingArchives(catalog, id, 1);
  assert.equal(await attempt(() => fetchArchive(deps, { id, no })), 'staged');
  drive.load('B1');
  await labelTape(deps.drive, deps.lock, catalog, { name: 'B1', pool: 'B', force: false });
  await attempt(() => storeArchive(deps, { id, no }));
  const b1 = (await tapeByName(catalog, 'B1')) ?? assert.fail();
  assert.deepEqual(await attempt(() => syncCopies(deps, id, b1.uuid, [no])), { committed: [no], lost: [] });
  const archive = (await archiveOf(catalog, setId, 1)) ?? assert.fail();
  const onTape = (tape: string) => readFileSync(path.join(drive.at(tape), setId, archive.name));
  assert.ok(onTape('A1').equals(onTape('B1')), 'a copy is never encrypted anew');
  tell(sets, key.file);
  const fresh = await sets.rebuilt();
  assert.deepEqual([fresh.reading.counts.added, fresh.reading.troubles], [1, []]);
  const target = tempFolder(t);
  assert.equal((await fresh.restore(setId, target)).status, 'completed');
  assertSameTree(source, path.join(target, source));
});

test('recipients are checked with the settings, and a secret key in their place is not shown', async (t) => {
  const home = tempFolder(t);
  const { file, recipient } = await keyFile(t);
  const secret = /AGE-SECRET-KEY-1\w+/.exec(readFileSync(file, 'utf8'))?.[0] ?? assert.fail();
  const problemWith = (env: Record<string, string>) => {
    try {
      loadSettings(env, home);
    } catch (error) {
      return error instanceof TapeflowFailure ? error.sentence : '';
    }
    return assert.fail('the settings are wrong');
  };
  const shown = problemWith({ AGE_RECIPIENTS: secret });
  assert.match(shown, /has an identity, which is secret: the recipient of it is wanted/);
  assert.ok(!shown.includes(secret.slice(16)));
  assert.match(problemWith({ AGE_RECIPIENTS: 'ssh-ed25519' }), /keys of SSH are not taken/);
  assert.match(problemWith({ ENCRYPT: 'true' }), /AGE_RECIPIENTS names no one to encrypt to/);
  const two = loadSettings({ AGE_RECIPIENTS: `${recipient}, ${recipient}` }, home);
  assert.deepEqual(two.AGE_RECIPIENTS, [recipient]);
});
