import { lstatSync } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../config/settings.js';
import type { Check } from './disk-checks.js';

type Places = Pick<
  Settings,
  'TAPEFLOW_DATA_DIR' | 'CATALOG_URL' | 'BACKUP_COMPRESS_DIR' | 'LOG_FILE' | 'drives'
>;

/**
 * Folders and files of ours that other users of the machine can reach and read or write: an earlier version has made them so, or
 * somebody did. One finding for each, with the `chmod` that mends it. An LTFS mount has the rights that it was mounted with.
 */
export function checkRights(settings: Places): Check[] {
  if (process.platform === 'win32') return [];
  const {
    TAPEFLOW_DATA_DIR: data,
    CATALOG_URL: catalog,
    BACKUP_COMPRESS_DIR: staging,
    LOG_FILE: log,
  } = settings;
  const tapes = settings.drives.filter((drive) => drive.kind === 'directory').map((drive) => drive.path);
  const places = [data, staging, ...tapes, catalog, `${catalog}-wal`, ...(log === undefined ? [] : [log])];
  return [...new Set(places)].flatMap((at) => {
    const mode = modeOf(at);
    if (mode === undefined || (mode & 0o077) === 0 || !isReachable(at)) return [];
    const whose = (mode & 0o007) === 0 ? 'its group' : 'every user of this machine';
    const right = at === data || at === staging || tapes.includes(at) ? '700' : '600';
    return {
      what: 'rights',
      level: 'note' as const,
      finding: `${at} is open to ${whose} (mode ${(mode & 0o777).toString(8)})`,
      advice: `What is backed up can be read there: \`chmod ${right} ${at}\`, unless you want it so.`,
    };
  });
}

/** True when each folder above lets somebody else through. */
function isReachable(at: string): boolean {
  for (let above = path.dirname(at); ; above = path.dirname(above)) {
    if (((modeOf(above) ?? 0) & 0o011) === 0) return false;
    if (path.dirname(above) === above) return true;
  }
}

function modeOf(at: string): number | undefined {
  try {
    const stats = lstatSync(at, { throwIfNoEntry: false });
    // A link has no rights of its own.
    return stats === undefined || stats.isSymbolicLink() ? undefined : stats.mode;
  } catch {
    return undefined;
  }
}
