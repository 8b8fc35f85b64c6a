import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemErrorCode } from '../../config/failures.js';
import { mountPoint, tempFolder } from './trees.js';

/** A file system, in memory or ext4 in a file, small enough to be filled. Mounting needs root. */
export class SmallDisk {
  private readonly filler: string;

  private constructor(readonly folder: string) {
    this.filler = path.join(folder, 'other-data');
  }

  /**
   * @param options more of the mount's, such as `,nr_inodes=20`. Undefined, and the test skipped, where this process
   *   may not mount.
   */
  static make(t: TestContext, bytes: number, options = ''): SmallDisk | undefined {
    return SmallDisk.mount(t, bytes, () => mountPoint(t), options);
  }

  /** The same, mounted on a folder of that name in a new folder on the ordinary disk. */
  static makeBelow(t: TestContext, bytes: number, name: string): SmallDisk | undefined {
    return SmallDisk.mount(t, bytes, () => {
      const folder = path.join(mkdtempSync(path.join(os.tmpdir(), 'tapeflow-disk-')), name);
      mkdirSync(folder);
      t.after(() => {
        execFileSync('umount', ['-l', folder]);
        rmSync(path.dirname(folder), { recursive: true, force: true });
      });
      return folder;
    });
  }

  /** The same with ext4 in a file, through a loop device: it finds out late that it is full, and keeps blocks back. */
  static makeExt4(t: TestContext, bytes: number): SmallDisk | undefined {
    if (spawnSync('mkfs.ext4', ['-V']).status !== 0 || spawnSync('losetup', ['--find']).status !== 0) {
      t.skip('needs root, mkfs.ext4 and a free loop device');
      return undefined;
    }
    const folder = mountPoint(t);
    const image = path.join(tempFolder(t), 'disk');
    writeFileSync(image, '');
    truncateSync(image, bytes);
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    execFileSync('mount', ['-o', 'loop', image, folder]);
    return new SmallDisk(folder);
  }

  private static mount(
    t: TestContext,
    bytes: number,
    where: () => string,
    options = '',
  ): SmallDisk | undefined {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) {
      t.skip('mounting a small file system needs root on Linux');
      return undefined;
    }
    const folder = where();
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${options}`, 'tmpfs', folder]);
    return new SmallDisk(folder);
  }

  /** Somebody else's data takes all the room but `leaveRun` bytes. */
  fill(leave = 0): void {
    const fd = openSync(this.filler, 'w');
    let written = 0;
    try {
      // Large writes first, then to the last page.
      for (const block of [Buffer.alloc(1 << 20, 1), Buffer.alloc(4096, 1)]) written += writeAll(fd, block);
    } finally {
      closeSync(fd);
    }
    if (leave > 0) execFileSync('truncate', ['-s', String(Math.max(0, written - leave)), this.filler]);
  }

  /** Somebody else's data goes away. */
  makeRoom(): void {
    rmSync(this.filler, { force: true });
  }

  remount(mode: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${mode}`, this.folder]);
  }
}

/** Writes a block again and again until nothing more fits; returns the bytes. */
function writeAll(fd: number, block: Buffer): number {
  let written = 0;
  try {
    for (;;) written += writeSync(fd, block);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOSPC') throw error;
    return written;
  }
}
