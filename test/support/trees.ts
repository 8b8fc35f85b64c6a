import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { formatOf } from '../../entry/archive-format.js';
import { loadAddon } from '../../native/addon.js';
import { waitFor } from './wait-for.js';

/** A new folder that is deleted at the end of the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-tree-'));
  t.after(() => removeTree(folder));
  return folder;
}

/**
 * Deletes a folder, although what a test has ended may write its last bytes there meanwhile; `rmSync` gives up then.
 */
async function removeTree(folder: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === 50 || (error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
      await sleep(100);
    }
  }
}

/** Why a test that takes a minute of a busy machine is left to `LONG_TESTS=1 npm test`; false when it is to run. */
export const longTest =
  process.env['LONG_TESTS'] === '1' ? false : 'runs with LONG_TESTS=1: it takes about a minute';

/** Does something with the rights of the user `nobody`, which only root can; nothing else may run here meanwhile. */
export async function asNobody<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  const [user, group] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await call();
  } finally {
    process.seteuid?.(user);
    process.setegid?.(group);
  }
}

/** A new folder to mount on; whatever is mounted there at the end of the test is unmounted first. */
export function mountPoint(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-mount-'));
  t.after(() => {
    while (readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder} `))
      execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Deterministic bytes that do not compress: the key stream of a cipher, made sixty times as fast as a hash chain. */
export function noise(bytes: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Turns one bit of a file over, in its byte `at`. */
export function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(file, bytes);
}

/** Writes files; names to contents. Folders are made. */
export function writeTree(root: string, files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  }
}

/** Makes a file of zeros at once: it has all of its room, and so no holes. */
export function allocate(file: string, bytes: number): void {
  execFileSync('fallocate', ['--posix', '--length', String(bytes), file]);
}

/** `count` files of some hundred bytes of text each, in folders of 100. */
export function manyFiles(root: string, count: number, bytes = 400): void {
  for (let i = 0; i < count; i += 1) {
    const folder = path.join(root, `d${String(Math.floor(i / 100)).padStart(4, '0')}`);
    if (i % 100 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(
      path.join(folder, `file-${String(i).padStart(6, '0')}.txt`),
      `${i} `.repeat(bytes).slice(0, bytes),
    );
  }
}

/** Waits until nothing in a tree has changed so lately that a set which begins now would leave it in doubt. */
export async function settled(root: string): Promise<void> {
  const newest = execFileSync('sh', ['-c', 'find "$1" -printf "%C@\\n" | sort -n | tail -n 1', 'sh', root]);
  await waitFor(() => Date.now() / 1000 > Number(newest) + 3, 'the tree to be some seconds old');
}

export interface TreeEntry {
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: string;
  content: string;
  /** Entries with the same number are one file. */
  link: number;
}

/** Everything about a tree that a backup must keep, by path relative to its root, names as latin1. */
export function describeTree(root: string): Record<string, TreeEntry> {
  const entries: Record<string, TreeEntry> = {};
  const inodes = new Map<string, number>();
  const visit = (folder: Buffer, prefix: string) => {
    for (const raw of readdirSync(folder, { encoding: 'buffer' })) {
      const where = Buffer.concat([folder, Buffer.from('/'), raw]);
      const name = `${prefix}${raw.toString('latin1')}`;
      const stats = lstatSync(where, { bigint: true });
      const inode = `${stats.dev}:${stats.ino}`;
      if (!inodes.has(inode)) inodes.set(inode, inodes.size);
      const type = stats.isDirectory()
        ? 'directory'
        : stats.isSymbolicLink()
          ? 'symlink'
          : stats.isFile()
            ? 'file'
            : stats.isFIFO()
              ? 'pipe'
              : stats.isSocket()
                ? 'socket'
                : 'device';
      if (type === 'socket') continue;
      entries[name] = {
        type,
        mode: Number(stats.mode & 0o7777n),
        uid: Number(stats.uid),
        gid: Number(stats.gid),
        mtimeNs: String(stats.mtimeNs),
        content:
          type === 'file'
            ? createHash('sha256').update(readFileSync(where)).digest('hex')
            : type === 'symlink'
              ? readlinkSync(where, 'latin1')
              : type === 'device'
                ? String(stats.rdev)
                : '',
        link: stats.nlink > 1n && type === 'file' ? (inodes.get(inode) ?? 0) : -1,
      };
      if (type === 'directory') visit(where, `${name}/`);
    }
  };
  visit(Buffer.from(root), '');
  // Numbers of links depend on the order of a listing: they are made comparable.
  const numbers = new Map<number, number>();
  for (const name of Object.keys(entries).sort()) {
    const entry = entries[name];
    if (entry === undefined || entry.link < 0) continue;
    if (!numbers.has(entry.link)) numbers.set(entry.link, numbers.size);
    entry.link = numbers.get(entry.link) ?? 0;
  }
  return entries;
}

/** Extracts archives with the system's tar, as a person without tapeflow would. */
export function untar(archives: string[], target: string): void {
  for (const archive of archives)
    execFileSync('tar', ['xpf', archive, '-C', target], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Names of the members as the system's tar lists them. */
export function listTar(archive: string): string[] {
  return execFileSync('tar', ['tf', archive], { encoding: 'utf8', maxBuffer: 1 << 28 })
    .trimEnd()
    .split('\n');
}

/** Archives of a set on a tape, in order. */
export function archivesOn(tape: string, setId: string): string[] {
  return readdirSync(path.join(tape, setId))
    .filter((name) => formatOf(name) !== undefined)
    .sort()
    .map((name) => path.join(tape, setId, name));
}

/** Nanoseconds by which times may differ that were set through `node:fs`. */
const timeError = 2000n;
const hasExactTimes = loadAddon()?.setTimes !== undefined;

/**
 * Names the first differences of two trees. Folder times are compared only for one archive: unpacking a second one into
 * the same folders changes them. What tapeflow restores without the native part has its times to the microsecond:
 * `nearTimes` says that it was restored so, also where the native part is built.
 */
export function assertSameTree(
  actual: string,
  expected: string,
  options: { folderTimes: boolean; nearTimes?: boolean } = { folderTimes: true },
): void {
  const { nearTimes = !hasExactTimes } = options;
  const [there, wanted] = [describeTree(actual), describeTree(expected)];
  const wrong: string[] = [];
  for (const name of new Set([...Object.keys(there), ...Object.keys(wanted)])) {
    const [is, should] = [there[name], wanted[name]].map((entry) =>
      entry?.type === 'directory' && !options.folderTimes ? { ...entry, mtimeNs: '' } : entry,
    );
    if (nearTimes && is !== undefined && should !== undefined) {
      const apart = BigInt(is.mtimeNs) - BigInt(should.mtimeNs);
      if (apart <= timeError && apart >= -timeError) is.mtimeNs = should.mtimeNs;
    }
    const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
    if (a !== b) wrong.push(`${name}: ${a} instead of ${b}`);
  }
  assert.deepEqual(wrong.slice(0, 5), []);
}
