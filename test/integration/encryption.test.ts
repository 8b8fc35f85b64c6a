import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { installationOfFile } from '../support/installation-of-file.js';
import { assertSameTree, tempFolder, writeTree } from '../support/trees.js';

const identity = await generateIdentity();
const recipient = await identityToRecipient(identity);
const installation = installationOfFile({ AGE_RECIPIENTS: recipient });

function keyFile(t: TestContext, key: string): string {
  const file = path.join(tempFolder(t), 'key.txt');
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return file;
}

/** Every file below a folder that holds a text. */
function holding(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .filter((file) => readFileSync(file).includes(text));
}

test('sets are encrypted staged, directly and by a schedule, and restored with the identity of a command', async (t) => {
  const at = await installation();
  const key = keyFile(t, identity);
  const other = keyFile(t, await generateIdentity());
  const source = tempFolder(t);
  writeTree(source, { 'a/one': 'the first words', 'b/two': 'the second words' });

  const refused = await at.run(['backup', source, '--encrypt', '--identity', other]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /does not open what is encrypted to AGE_RECIPIENTS. Nothing was backed up/);
  const begun = await at.json<{ setId: string }>([
    'backup',
    source,
    '--encrypt',
    '--identity',
    key,
    '--detach',
  ]);
  assert.equal((await at.run(['watch', begun.setId])).code, 0);
  const direct = await at.json<{ setId: string; status: string }>([
    'backup',
    source,
    '--encrypt',
    '--direct',
  ]);
  assert.equal(direct.status, 'completed');
  for (const { setId } of [begun, direct])
    for (const name of readdirSync(path.join(at.tapeDir, setId)))
      assert.ok(name.endsWith('.age') || name.endsWith('.end.json'), name);
  assert.deepEqual(holding(at.tapeDir, 'words'), []);

  for (const { setId } of [begun, direct]) {
    const target = tempFolder(t);
    const restored = await at.run(['restore', setId, '--target', target, '--identity', key]);
    assert.equal(restored.code, 0, restored.stderr);
    assertSameTree(path.join(target, source), source, { folderTimes: true });
  }
  const closed = await at.run(['restore', begun.setId, '--target', tempFolder(t)]);
  assert.deepEqual([closed.code, /is encrypted, and no identity is given/.test(closed.stderr)], [1, true]);
  const wrong = await at.run(['restore', begun.setId, '--target', tempFolder(t), '--identity', other]);
  assert.deepEqual([wrong.code, /is encrypted to other keys/.test(wrong.stderr)], [1, true]);
  const verified = await at.run(['verify', begun.setId]);
  assert.deepEqual([verified.code, /the SHA-256 of the whole archive/.test(verified.stderr)], [0, true]);
  assert.equal((await at.run(['verify', begun.setId, '--identity', key])).code, 0);
  assert.equal((await at.run(['tape', 'catalog', '--identity', key])).code, 0);

  const run = ['schedule', 'add', 'nightly', '--cron', '0 3 1 1 *', '--', 'backup', source, '--encrypt'];
  assert.equal((await at.run(run)).code, 0);
  assert.equal((await at.run(['schedule', 'run', 'nightly'])).code, 0);
  const sets = at.query<{ id: string; recipients: string | null }>(
    'select id, recipients from sets order by id',
  );
  assert.ok(sets.length >= 2 && sets.every((set) => set.recipients === JSON.stringify([recipient])));

  const doctor = async (file: string) => {
    const { stdout } = await at.run(['doctor', '--json'], { AGE_IDENTITY_FILE: file });
    const { checks } = JSON.parse(stdout) as { checks: { what: string; level: string; finding: string }[] };
    return checks.find(({ what }) => what === 'encryption');
  };
  assert.equal((await doctor(key))?.level, 'ok');
  assert.equal((await doctor(other))?.level, 'trouble');
  assert.deepEqual(holding(at.dataDir, identity.slice(16)), [], 'no identity is kept');
});
