import { lstatSync, readFileSync, readdirSync, statfsSync } from 'node:fs';
import { describeError } from '../config/failures.js';
import { atPath } from '../disk/long-path.js';
import { loadAddon } from '../native/addon.js';
import { english } from '../messages/sentence.js';

/**
 * File systems without user files: magic numbers from Linux's `linux/magic.h` (proc, sysfs, cgroup, cgroup2, devpts,
 * debugfs, tracefs, securityfs, bpf, pstore, configfs, mqueue, efivarfs, binfmt_misc).
 */
const pseudoFileSystems = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
  0x6165676c, 0x62656570, 0x19800202, 0xde5e81e4, 0x42494e4d,
]);

/**
 * The names in a folder, or why it is skipped. Listing would follow a symbolic link that replaced the folder meanwhile,
 * so the entry is checked again afterwards.
 *
 * The native part lists it without a new access time and never follows such a link, where it may.
 *
 * The folder is listed at once, so that the listing is consistent. `opendirSync` does not help: where a file system
 * does not report types (NFS, some FUSE ones) it calls `stat` on every entry, and fails for the whole folder when one
 * is gone.
 */
export function namesIn(where: Buffer): string[] | string {
  const itself = where.length > 1 ? where.subarray(0, -1) : where;
  const quietly = atPath(itself, (path) => loadAddon()?.listFolder?.(path));
  if (quietly != null) return split(quietly).sort();
  try {
    // As byte strings they sort by their bytes.
    const names = atPath(where, (path) => readdirSync(path, 'latin1')).sort();
    if (process.platform !== 'win32' && !atPath(itself, (path) => lstatSync(path)).isDirectory())
      return english`became a symbolic link while it was listed; its contents are not in the backup`;
    return names;
  } catch (error) {
    return english`cannot be listed, so its contents are not in the backup: ${describeError(error)}`;
  }
}

/** Names with a slash behind each, as byte strings. */
function split(names: Uint8Array): string[] {
  const { buffer, byteOffset, length } = names;
  return length === 0
    ? []
    : Buffer.from(buffer, byteOffset, length - 1)
        .toString('latin1')
        .split('/');
}

/** True for a folder on a file system without user files; Linux only. */
export function isPseudo(where: Buffer): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return pseudoFileSystems.has(atPath(where, (path) => statfsSync(path)).type);
  } catch {
    return false;
  }
}

/**
 * True for a path on which something is mounted, as `/proc/self/mountinfo` says (proc(5): the fifth field, with blanks,
 * tabs, line ends and `\\` as octal numbers). Where there is none, as on macOS, also for any other.
 */
export function isMountPoint(path: Buffer): boolean {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    return true;
  }
  const escaped = path
    .toString('latin1')
    .replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return mounts.split('\n').some((line) => line.split(' ')[4] === escaped);
}
