import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';

/** What is the same in every language: code, paths, addresses, ids, names of things and of their makers, units. */
const sameEverywhere = [
  /`[^`]*`/g,
  /https?:\S+|\/[\w./-]+/g,
  /\d{4}-\d\d_\d{6}|(?:restore|verify)-\d{6}/g,
  /\b(?:TAPE01|lto1|default|Temporal UI|Temporal CLI|tapeflow|NO-SUCH|tar)\b/g,
  /\b(?:[kMG]?B(?:\/s)?|s|min)\b/g,
];

/** The words of a text that are English. */
function englishIn(text: string): string[] {
  const left = sameEverywhere.reduce((rest, regex) => rest.replace(regex, ' '), text);
  return left.match(/[A-Za-z]{2,}(?: [A-Za-z]+)*/g) ?? [];
}

test('a backup, what shows it, and what goes wrong are told in Chinese, and programs are told in English', async (t) => {
  const installation = await Installation.make(t, { LANGUAGE_TAG: 'zh-CN' });
  const source = path.join(installation.root, 'source');
  mkdirSync(source);
  // A name that is a sentence of the catalogue is a name all the same.
  writeFileSync(path.join(source, 'No tape is loaded.'), 'a name');
  writeFileSync(path.join(source, 'plain'), 'content');
  const told = async (code: number, ...args: string[]) => {
    const ended = await installation.run(args);
    assert.equal(ended.code, code, ended.stdout + ended.stderr);
    const text = ended.stdout + ended.stderr;
    assert.match(text, /\p{Script=Han}/u, args.join(' '));
    return text;
  };
  const target = path.join(installation.root, 'target');
  const backedUp = await told(0, 'backup', source);
  await installation.keepUp();
  const commands = [
    backedUp,
    await told(0, 'status'),
    await told(0, 'sets'),
    await told(0, 'tape', 'list'),
    await told(0, 'verify', '--latest', source),
    await told(0, 'restore', 'latest', '--path', source, '--target', target),
    await told(2, 'backup', '/no/such/folder'),
    await told(2, 'status', 'NO-SUCH'),
    await told(2, 'tape', 'erase', 'NO-SUCH'),
  ];
  for (const text of commands) assert.deepEqual(englishIn(text), [], text);

  const listed = await installation.run([
    'ls',
    (await installation.json<{ setId: string }>(['sets'])).setId,
    '--recursive',
  ]);
  assert.match(listed.stdout, /No tape is loaded\./);

  const refused = await installation.run(['status', 'NO-SUCH', '--json']);
  const { error } = JSON.parse(refused.stderr) as { error: { message: string } };
  assert.match(error.message, /^[\x20-\x7e]+$/);
});
