import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { missingAttributesReason } from '../../native/addon.js';
import { noise, writeTree } from './trees.js';

/** What a machine needs for the odd tree and the comparison of two such trees. */
const programs = ['setfattr', 'getfattr', 'setfacl', 'getfacl', 'rsync', 'mknod', 'mkfifo', 'du'];

/** Why the odd tree cannot be made here; false when it can. */
export function noOddTree(): string | false {
  if (process.platform !== 'linux') return 'needs Linux: device files, ACLs, extended attributes';
  if (process.getuid?.() !== 0) return 'needs root: device files, capabilities, owners';
  if (missingAttributesReason() !== undefined) return 'needs the native part';
  const missing = programs.filter((program) => !isThere(program));
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

/** True when a program is found on the PATH. */
export function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A file with holes: `size` bytes, with data only at the given offsets. */
export function fileWithHoles(file: string, size: number, data: Record<number, string>): void {
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  for (const [at, content] of Object.entries(data)) writeSync(fd, content, Number(at));
  closeSync(fd);
}

/**
 * Makes a tree with what Linux knows of a file: owners, modes with their special bits, ACLs, extended attributes,
 * capabilities, holes, pipes, devices, links of both kinds, times to the nanosecond and names that are no UTF-8. As
 * root, on a file system that has them.
 */
export function makeOddTree(root: string): void {
  const at = (name: string) => path.join(root, name);
  const run = (program: string, ...args: string[]) => execFileSync(program, args);
  writeTree(root, {
    'plain/text': 'plain\n'.repeat(1000),
    'plain/noise': noise(300_000, 'noise'),
    'plain/empty': '',
    'modes/setuid': 'a program\n',
    'modes/unreadable': 'for nobody\n',
    'owned/file': 'of another user\n',
    'attributes/user': 'with attributes of its own\n',
    'attributes/large value': 'with a large one\n',
    'attributes/program': 'with a capability\n',
    'attributes/acl': 'shared with two users\n',
    'attributes/many': 'with many\n',
    'names/with\nnewline': 'odd',
    'names/Ünïcödé 名前': 'utf-8',
    'names/ blank at both ends ': 'odd',
    [`names/${'n'.repeat(255)}`]: 'as long as names can be',
    'excluded/[abc].txt': 'a name like a pattern',
  });
  writeFileSync(Buffer.from(`${root}/names/latin\xe9`, 'latin1'), 'no utf-8');
  mkdirSync(at('attributes/folder'));
  mkdirSync(at('plain/nothing in it'));
  mkdirSync(at('holes'));
  mkdirSync(at('special'));

  linkSync(at('plain/text'), at('plain/second name'));
  linkSync(at('attributes/user'), at('attributes/second name'));
  symlinkSync('../plain/text', at('names/link'));
  symlinkSync('/nowhere', at('names/dangling'));
  lutimesSync(at('names/link'), 1e9, 987_654_321);

  fileWithHoles(at('holes/image'), 64 * 1024 ** 2, {
    0: 'begin',
    [20 * 1024 ** 2]: noise(9000, 'h').toString('hex'),
  });
  fileWithHoles(at('holes/ends in one'), 3_000_001, { 1_000_000: 'middle' });
  fileWithHoles(at('holes/begins with one'), 2_000_003, { 2_000_000: 'end' });
  fileWithHoles(at('holes/nothing else'), 1024 ** 2, {});
  fileWithHoles(at('holes/many'), 4 * 1024 ** 2, Object.fromEntries(everyOther(60, 65_536)));

  run('mkfifo', at('special/pipe'));
  run('mknod', at('special/null'), 'c', '1', '3');
  run('mknod', at('special/disk'), 'b', '7', '200');
  run('mknod', at('special/whiteout'), 'c', '0', '0');
  chmodSync(at('special/pipe'), 0o640);

  run('setfattr', '-n', 'user.comment', '-v', 'a comment', at('attributes/user'));
  run('setfattr', '-n', 'user.binary', '-v', '0x000a3d0aff00', at('attributes/user'));
  run('setfattr', '-n', 'user.empty', at('attributes/user'));
  run('setfattr', '-n', 'user.large', '-v', 'x'.repeat(3000), at('attributes/large value'));
  run('setfattr', '-n', 'user.of a folder?', '-v', 'f', at('attributes/folder'));
  run('setfattr', '-n', 'trusted.of root', '-v', 't', at('attributes/user'));
  run('setfattr', '-h', '-n', 'trusted.of a link', '-v', 'l', at('names/link'));
  for (let n = 0; n < 20; n += 1)
    run('setfattr', '-n', `user.number${n}`, '-v', 'v'.repeat(20), at('attributes/many'));
  // cap_net_bind_service=ep, as setcap writes it: revision 2, effective, bit 10 permitted.
  run(
    'setfattr',
    '-n',
    'security.capability',
    '-v',
    '0x0100000200040000000000000000000000000000',
    at('attributes/program'),
  );
  run('setfacl', '-m', 'u:12345:rw,g:54321:r,m::rw', at('attributes/acl'));
  run('setfacl', '-m', 'u:12345:rwx,d:u:12345:rx,d:g::r', at('attributes/folder'));

  run('chown', '-h', '12345:54321', at('owned/file'), at('owned'), at('names/dangling'));
  chmodSync(at('owned'), 0o2775);
  chmodSync(at('modes/setuid'), 0o6755);
  chmodSync(at('modes/unreadable'), 0o000);
  chmodSync(at('plain/nothing in it'), 0o1750);
  run('touch', '-d', '@-86400', at('plain/empty'));
  utimesSync(at('plain/nothing in it'), 1e9, 1_234_567_890.987);
  run('touch', '-d', '@1700000000.123456789', at('plain/noise'), at('special/pipe'), at('holes/image'));
}

/** `count` pieces of data, every `step` bytes. */
function everyOther(count: number, step: number): [number, string][] {
  return Array.from({ length: count }, (_, n) => [n * step, `data ${n}`]);
}

/** What of a tree two programs' listings say; relative to the tree. */
function listing(root: string, command: string): string {
  return execFileSync('sh', ['-c', command], { cwd: root, encoding: 'latin1', maxBuffer: 64 * 1024 ** 2 });
}

/** The listings that must be equal for two trees to be the same, by what they show. */
const listings: Record<string, string> = {
  'extended attributes': 'find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m- -e hex 2>&1',
  ACLs: 'find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfacl -n 2>&1',
  'what stat says': `find . -mindepth 1 -printf '%p %y %m %U %G %s %n %T@ %l\\n' | LC_ALL=C sort`,
  'the numbers of devices': `find . \\( -type c -o -type b \\) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort`,
};

/** How two odd trees differ, as lines for a person; empty when in nothing. */
export function oddDifferences(tree: string, from: string): string[] {
  const differences: string[] = [];
  const rsync = ['-aHAXSn', '--checksum', '--itemize-changes', '--delete', `${from}/`, `${tree}/`];
  const changes = execFileSync('rsync', rsync, { encoding: 'latin1' }).trim();
  if (changes !== '') differences.push(`rsync: ${changes}`);
  for (const [what, command] of Object.entries(listings)) {
    const [is, was] = [listing(tree, command), listing(from, command)];
    if (is !== was) differences.push(`${what}:\n${lineDifferences(is, was).join('\n')}`);
  }
  for (const file of ['image', 'ends in one', 'begins with one', 'nothing else', 'many']) {
    const [is, was] = [tree, from].map((root) => blocksOf(path.join(root, 'holes', file)));
    if (is !== undefined && was !== undefined && is > was + 16)
      differences.push(`du of ${file}: ${is}, was ${was} KiB`);
  }
  return differences;
}

/** Kibibytes on disk. */
function blocksOf(file: string): number {
  return Number(execFileSync('du', ['-k', file], { encoding: 'utf8' }).split('\t')[0]);
}

function lineDifferences(is: string, was: string): string[] {
  const [now, before] = [is.split('\n'), was.split('\n')];
  return [
    ...now.filter((line) => !before.includes(line)).map((line) => `  is  ${line}`),
    ...before.filter((line) => !now.includes(line)).map((line) => `  was ${line}`),
  ];
}
