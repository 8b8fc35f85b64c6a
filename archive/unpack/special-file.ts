import { execFileSync } from 'node:child_process';
import type { BigIntStats } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { deviceNumbers, deviceText, type DeviceNumbers } from '../../entry/device.js';
import type { SpecialType } from '../../entry/member.js';
import { loadAddon } from '../../native/addon.js';
import { english } from '../../messages/sentence.js';
import { RestoreProblem } from './open-folder.js';
import type { UnpackOptions } from './unpack-options.js';

/** A named pipe or a device as its archive has it. */
export interface SpecialFile {
  type: SpecialType;
  device: DeviceNumbers | undefined;
}

/** True when what is at a place is the same kind of pipe or device. */
export function isSameSpecial({ type, device }: SpecialFile, there: BigIntStats): boolean {
  if (type === 'fifo') return there.isFIFO();
  const isType = type === 'character' ? there.isCharacterDevice() : there.isBlockDevice();
  return isType && device !== undefined && deviceText(deviceNumbers(there.rdev)) === deviceText(device);
}

/**
 * Makes a pipe or device for its owner alone. A device can only be made by root, but for the character device 0:0, by
 * which an overlay file system marks what was deleted.
 */
export function makeSpecial(
  path: Buffer,
  special: SpecialFile,
  { codec }: Pick<UnpackOptions, 'codec'>,
): void {
  if (special.type !== 'fifo' && special.device === undefined)
    throw new RestoreProblem(english`the archive does not say which device it is`);
  try {
    makeNode(path, special, codec === 'zlib');
  } catch (error) {
    if (special.type !== 'fifo' && (error as NodeJS.ErrnoException).code === 'EPERM')
      throw new RestoreProblem(english`only root can make a device`);
    throw error;
  }
}

/** With the native part, or else with the programs `mkfifo` and `mknod`; throws system errors. */
function makeNode(path: Buffer, { type, device = [0, 0] }: SpecialFile, withoutNative: boolean): void {
  const native = withoutNative ? undefined : loadAddon()?.makeNode;
  if (native === undefined) return makeByProgram(path, type, device);
  const error = native(path, type, ...device);
  if (error === 0) return;
  const code = getSystemErrorName(-error);
  throw Object.assign(new Error(`${code}: mknod '${path.toString()}'`), { code, syscall: 'mknod' });
}

function makeByProgram(path: Buffer, type: SpecialType, device: DeviceNumbers): void {
  // The program gets an open folder as its own number 3: `/proc/self` is another folder there, and those of a process
  // that has given up rights are closed to others. The name itself is one of ours, in ASCII.
  const [, folder, name] = /^\/proc\/self\/fd\/(\d+)\/(.*)$/.exec(path.toString('latin1')) ?? [];
  const there = name === undefined ? path.toString('latin1') : `/proc/self/fd/3/${name}`;
  const [program, kind] = type === 'fifo' ? ['mkfifo', []] : ['mknod', [type === 'block' ? 'b' : 'c']];
  const numbers = type === 'fifo' ? [] : device.map(String);
  try {
    execFileSync(program, ['-m', '600', '--', there, ...kind, ...numbers], {
      stdio: ['ignore', 'ignore', 'pipe', ...(folder === undefined ? [] : [Number(folder)])],
      env: { ...process.env, LC_ALL: 'C' },
      encoding: 'utf8',
    });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    if (stderr.includes('Operation not permitted'))
      throw Object.assign(new Error('EPERM: mknod'), { code: 'EPERM' });
    throw new RestoreProblem(
      english`\`${program}\` could not make it: ${stderr.trim().split('\n').at(-1) ?? ''}`,
    );
  }
}
