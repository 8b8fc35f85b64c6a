import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { systemErrorCode } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { clampSeconds } from '../../entry/file-time.js';
import type { ManifestHeader } from '../../entry/manifest-content.js';

/** The first name that is a regular file; the first of all when none is. */
export async function presentOf(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) if (await isFile(path.join(folder, name))) return name;
  return names[0] ?? '';
}

/** The manifest header for an archive about which nothing else is known. */
export function unknownHeader(set: string, group: number, archive: string, mtimeMs: number): ManifestHeader {
  return {
    ...{ set, setUuid: '', group, archive, created: new Date(mtimeMs).toISOString(), installation: '' },
    ...{ sources: [], hostname: '', mode: 'full', platform: process.platform },
  };
}

/** Size and time of a regular file; undefined when there is none of that name. */
export async function lstatOf(file: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    const stats = await onSide('tape', () => lstat(file));
    if (!stats.isFile()) return undefined;
    return { size: stats.size, mtimeMs: Math.floor(clampSeconds(stats.mtimeMs / 1000) * 1000) };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** True for a regular file on a tape. */
export async function isFile(file: string): Promise<boolean> {
  return (await lstatOf(file)) !== undefined;
}
