import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A new folder that is deleted with `rm`, which also deletes paths that are too long for the system's calls. */
export function deepTempFolder(t: TestContext, parent = os.tmpdir()): string {
  const folder = mkdtempSync(path.join(parent, 'tapeflow-tree-'));
  t.after(() => void execFileSync('rm', ['-rf', folder]));
  return folder;
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** File names that have broken backup programs, as bytes. No two may look the same or collide anywhere on the way. */
export const hostileNames: readonly Buffer[] = [
  ...[
    '-',
    '--help',
    '-rf *',
    '.hidden',
    '...',
    ' ',
    '\n',
    '\t',
    '0',
    '#hash',
    '!bang',
    '~',
    '*',
    '?',
    '[a]',
    '{a}',
  ],
  ...[
    'new\nline',
    'tab\there',
    'bell\x07',
    '\x1b[31mred',
    '\x01',
    '\x7f',
    'cr\r',
    'quote"',
    "apostrophe'",
    '`id`',
    '$HOME',
  ],
  ...[
    'back\\slash',
    '\\x01',
    '\\n',
    '\\',
    '\\\\',
    'a=b 12 path=evil\n',
    '30 path=..evil\n',
    '%s%n',
    'a;rm -rf x',
  ],
  ...[
    'CON',
    'aux.txt',
    'NUL',
    'COM1.tar',
    'trailing.',
    'trailing ',
    'a:b',
    'a|b',
    'a<b>',
    'CASE',
    'case',
    'Case',
  ],
  ...[
    'tapeflow-label.json',
    'backup_2026-11_000001_000001.tar.gz',
    'x.part',
    'a.tar.gz.1.part',
    '@LongLink',
    'PaxHeader',
  ],
  ...[
    'n'.repeat(255),
    '\xff',
    '\xfe',
    '\xff\xfe',
    'bad-\xc3',
    '\xc3\xa9\xff',
    '\xed\xa0\x80',
    '\xff'.repeat(255),
  ],
  ...[`${'long-bad-'.repeat(20)}\xff`, 'x'.repeat(99), 'x'.repeat(100), 'x'.repeat(101)],
  ...[
    'é nfc',
    'e\u0301 nfd',
    '\u202egnp.exe',
    '\u009b31mc1',
    'zero\u200bwidth',
    '名前',
    '\ufffd',
    '\ufeffbom',
    '😀',
  ].map((text) => Buffer.from(text).toString('latin1')),
  Buffer.from('ü'.repeat(127)).toString('latin1'),
].map(bytes);

/** Targets of symbolic links: empty-looking, long, not valid UTF-8, leading out. */
export const hostileTargets: readonly Buffer[] = [
  ...[' ', '\n', '-', '.', '/', '../../../../etc/passwd', '\xff\xfe', 'é', '\xff'.repeat(200), 'a\\b'],
  ...['t'.repeat(99), 't'.repeat(100), 't'.repeat(101), `${'t/'.repeat(2047)}t`, `${'\xff/'.repeat(2047)}t`],
].map(bytes);

/** Makes a file for each name, whose content is the name, and a link for each target. */
export function writeHostileTree(root: string): void {
  const files = path.join(root, 'files');
  const links = path.join(root, 'links');
  for (const folder of [files, links]) mkdirSync(folder, { recursive: true });
  for (const name of hostileNames) writeFileSync(inFolder(files, name), name);
  for (const [number, target] of hostileTargets.entries())
    symlinkSync(target, path.join(links, `link-${number}`));
  // Folders and hard links of such names.
  for (const name of ['\xff dir', ' ', '-d', 'new\nline'].map(bytes)) {
    mkdirSync(inFolder(links, name));
    writeFileSync(Buffer.concat([inFolder(links, name), bytes('/\xfe')]), 'inside');
  }
  linkSync(inFolder(files, bytes('\xff')), inFolder(links, bytes('hard-\xfe')));
}

/** The path of a name in a folder, as bytes. */
export function inFolder(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name]);
}

const deepScript = `
import os, sys
os.chdir(sys.argv[1])
reach = len(os.fsencode(sys.argv[1]))
while reach + 201 <= 4095:
    os.mkdir('d' * 200); os.chdir('d' * 200); reach += 201
open('e' * 10, 'w').write('within')
# The longest path that the system takes has 4,095 bytes.
open('f' * (4095 - reach - 1), 'w').write('longest')
open('g' * (4095 - reach), 'w').write('too long')
os.mkdir('h' * 250); os.chdir('h' * 250)
open('below', 'w').write('out of reach')
`;

/** Makes a chain of folders that goes beyond PATH_MAX, with files just within it, at it and past it. */
export function writeDeepTree(root: string): void {
  execFileSync('python3', ['-c', deepScript, root]);
}
