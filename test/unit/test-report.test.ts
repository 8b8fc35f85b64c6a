import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from '../support/trees.js';

const tests = `
import { describe, test } from 'node:test';
test('passes', () => {});
test('fails', () => { throw new Error('as it is to'); });
test('is left out', { skip: 'needs a tape' }, () => {});
test('finds out that it cannot run', (t) => t.skip('needs a drive'));
describe('a group', { skip: 'needs a tape' }, () => test('in it', () => {}));
describe('another group', () => test('passes too', () => {}));
test('does not say why', { skip: true }, () => {});
`;

/** What node:test prints of a file of tests with the reporter of `npm test`. */
function printed(file: string, content: string): string {
  writeFileSync(file, content);
  const reporter = pathToFileURL(path.join(projectDir, 'scripts', 'test-report.mjs')).href;
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, file], {
    env,
    encoding: 'utf8',
  }).stdout;
}

test('a run of the tests ends with what was skipped and why, and how many have passed and failed', (t) => {
  const file = path.join(tempFolder(t), 'some.test.mjs');
  const output = printed(file, tests);
  assert.match(output, /passes too/, 'each test has its line');
  assert.match(output, /as it is to/, 'and what failed its reason');
  const end = [
    ...['', 'Skipped: 4', '    2  needs a tape', '    1  needs a drive', '    1  no reason is given', ''],
    ...['2 passed, 1 failed', ''],
  ];
  assert.ok(output.endsWith(end.join('\n')), output);
  const whole = printed(file, "import { test } from 'node:test'; test('passes', () => {});");
  assert.ok(whole.endsWith('\nSkipped: nothing\n\n1 passed, 0 failed\n'), whole);
});

test('what fails is told with its place in the source, where the file has a map of it', (t) => {
  const file = path.join(tempFolder(t), 'built.test.js');
  // The only line of the file is line 12, column 5 of the source.
  const map = { version: 3, sources: ['../written.test.ts'], names: [], mappings: 'AAWI' };
  writeFileSync(`${file}.map`, JSON.stringify(map));
  const output = printed(
    file,
    "require('node:test').test('fails', () => { throw new Error('as it is to'); });",
  );
  assert.match(output, /written\.test\.ts:12:5/);
  assert.doesNotMatch(output, /built\.test\.js/);
});
