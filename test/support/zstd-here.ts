import { existsSync } from 'node:fs';
import path from 'node:path';
import { openZstd } from '../../archive/blocks/zstd.js';
import { noise } from './trees.js';

/** The zstd that is taken here, and Node's own; undefined where there is none. */
export const addonZstd = await openZstd('auto');
export const nodeZstd = await openZstd('zlib');

/** Why a test of zstd is skipped; false where it runs. */
export const withoutZstd = addonZstd === undefined ? 'there is no zstd here' : false;

/** True for a program that is on the PATH. */
export function onPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((dir) => existsSync(path.join(dir, command)));
}

/** Bytes that compress to about half: hexadecimal digits. */
export function words(bytes: number, seed: string): Buffer {
  return Buffer.from(noise(Math.ceil(bytes / 2), seed).toString('hex')).subarray(0, bytes);
}
