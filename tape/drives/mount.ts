import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { systemErrorCode } from '../../config/failures.js';

/**
 * Why nothing is mounted at a path, as the rest of the sentence "the drive's folder …"; `dead` when the mount's process
 * has died; undefined when a mount is there.
 */
export async function mountProblem(mountPoint: string): Promise<string | undefined> {
  let real: string;
  let device: number;
  let parent: number;
  try {
    real = await realpath(mountPoint);
    const stats = await stat(real);
    if (!stats.isDirectory()) return english`is not a folder`;
    device = stats.dev;
    parent = (await stat(path.dirname(real))).dev;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return english`does not exist`;
    if (code === 'ENOTCONN' || code === 'ESHUTDOWN') return 'dead';
    if (code === 'EIO' || code === 'ENODEV') return english`reports a device error (${code})`;
    throw error;
  }
  // A drive letter is a separate volume, without parent or mount table.
  if (process.platform === 'win32') return undefined;
  if (device === parent) return english`is a plain folder: nothing is mounted there`;
  if (process.platform === 'linux' && !(await mountPoints()).has(real))
    return english`is not in the mount table`;
  return undefined;
}

/** Every mount point of this process's mount table (`proc(5)`: field 5, blanks and backslashes as octal). */
async function mountPoints(): Promise<Set<string>> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return new Set(table.split('\n').map((line) => unescapeOctal(line.split(' ')[4] ?? '')));
}

/** Decodes octal escapes such as `\040` in the kernel's mount tables. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
