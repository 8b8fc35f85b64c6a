import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { mountPoint, tempFolder } from './trees.js';

/**
 * A folder on a new FAT file system, until the test ends, or why there is none. exFAT, by a program through FUSE, where
 * the kernel has no FAT: it has no owners, modes and links either.
 */
export function fatFolder(t: TestContext): { folder: string } | { skip: string } {
  const run = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: 'utf8' });
  const hasVfat = readFileSync('/proc/filesystems', 'utf8').includes('\tvfat\n');
  const [make, mount] = hasVfat ? ['mkfs.vfat', 'mount'] : ['mkfs.exfat', 'mount.exfat-fuse'];
  for (const program of [make, mount])
    if (run('sh', '-c', 'command -v "$1"', 'sh', program).status !== 0) return { skip: `needs ${program}` };
  const image = path.join(tempFolder(t), 'disk');
  writeFileSync(image, '');
  truncateSync(image, 16_000_000);
  run(make, image);
  const loop = run('losetup', '--find', '--show', image);
  if (loop.status !== 0) return { skip: 'needs a loop device' };
  const device = loop.stdout.trim();
  t.after(() => run('losetup', '--detach', device));
  const folder = mountPoint(t);
  return run(mount, device, folder).status === 0
    ? { folder }
    : { skip: `${mount} could not mount a disk image` };
}
