import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { projectDir } from '../../config/project-dir.js';
import { TapeflowFailure } from '../../config/failures.js';
import { keyFile, messageKey, readKey } from '../../proof/key-file.js';
import { tempFolder } from '../support/trees.js';

const failsAs = (code: string) => (error: unknown) => error instanceof TapeflowFailure && error.code === code;

test('a key is made once, whoever comes first, for its user alone, and no other file is left', async (t) => {
  const folder = path.join(tempFolder(t), 'data');
  assert.equal(readKey(folder), undefined);
  const module = path.join(projectDir, 'dist', 'proof', 'key-file.js');
  const script = `import { messageKey } from ${JSON.stringify(module)}; console.log(messageKey(${JSON.stringify(folder)}));`;
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const keys = (await Promise.all([run(), run(), run(), run()])).map(({ stdout }) => stdout.trim());
  assert.match(keys[0] ?? '', /^[0-9a-f]{64}$/);
  assert.equal(new Set(keys).size, 1);
  assert.equal(messageKey(folder), keys[0]);
  assert.deepEqual(readdirSync(folder), ['message.key']);
  assert.equal(statSync(keyFile(folder)).mode & 0o777, 0o600);
});

test('a key that others may read, or that is damaged, is refused; one that was deleted is made anew', (t) => {
  const folder = tempFolder(t);
  const key = messageKey(folder);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(keyFile(folder), mode);
    assert.throws(() => messageKey(folder), failsAs('KeyExposed'), mode.toString(8));
  }
  chmodSync(keyFile(folder), 0o600);
  writeFileSync(keyFile(folder), readFileSync(keyFile(folder), 'utf8').slice(0, 40));
  assert.throws(() => messageKey(folder), failsAs('KeyDamaged'));
  rmSync(keyFile(folder));
  assert.notEqual(messageKey(folder), key);
});
