import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { keysInHelp, keysInSource, sourceFiles, untagged } from '../support/message-keys.js';

const folder = path.join(projectDir, 'messages', 'zh-CN');
const files = readdirSync(folder).map((name): [string, Record<string, string>] => [
  name,
  JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Record<string, string>,
]);
const source = sourceFiles();

test('everything that people read is in the catalogue of messages', () => {
  assert.deepEqual(untagged(source), []);
});

test('the Chinese catalogue knows every sentence, and none that is said nowhere', async () => {
  const said = new Map([...keysInSource(source), ...(await keysInHelp())]);
  const known = new Set(files.flatMap(([, messages]) => Object.keys(messages)));
  const missing = [...said].filter(([key]) => !known.has(key)).map(([key, place]) => `${place}: ${key}`);
  assert.deepEqual(missing, []);
  assert.deepEqual(
    [...known].filter((key) => !said.has(key)),
    [],
  );
});

test('a sentence stands in one file of the catalogue, and keeps its values', () => {
  const seen = new Map<string, string>();
  for (const [name, messages] of files)
    for (const [key, chinese] of Object.entries(messages)) {
      assert.equal(seen.get(key), undefined, `${key} stands in ${seen.get(key)} and in ${name}`);
      seen.set(key, name);
      const holes = new Set(key.match(/\{\d+\}/g));
      for (const [hole] of chinese.matchAll(/\{[^}]*\}/g)) {
        const plain = hole.replace(', sentence}', '}');
        assert.ok(holes.has(plain), `${name}: ${chinese} has ${hole}, and ${key} does not`);
      }
    }
});
