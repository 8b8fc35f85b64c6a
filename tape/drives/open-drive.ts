import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { english } from '../../messages/sentence.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { fsyncFolder } from '../../disk/durable-file.js';
import { filesOf, defaultReserve, spaceOf, type Drive } from './drive.js';
import { ltfsDrive } from '../ltfs/ltfs.js';
import { tapeNotReady } from './tape-not-ready.js';

/** Opens a drive by its settings, without touching anything. */
export function openDrive(settings: DriveSettings): Drive {
  return settings.kind === 'ltfs' ? ltfsDrive(settings) : directoryDrive(settings);
}

/** A folder on any disk used as a tape: fsync makes its files durable. */
function directoryDrive(settings: DriveSettings): Drive {
  return {
    settings,
    ...filesOf(settings),
    async medium() {
      try {
        const stats = await stat(settings.path, { bigint: true });
        if (stats.isDirectory()) return { key: `${stats.dev}:${stats.ino}`, volume: null };
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT' && systemErrorCode(error) !== 'ENOTDIR') {
          throw tapeNotReady(
            'not_mounted',
            english`The folder ${settings.path} of drive ${settings.name} cannot be looked at:
        ${describeError(error)}.`,
            english`Mount it, or correct its path in the settings.`,
          );
        }
      }
      throw tapeNotReady(
        'not_mounted',
        english`The folder ${settings.path} of drive ${settings.name} does not exist.`,
        settings.ours
          ? english`The first backup makes and labels it.`
          : english`Mount or make it (tapeflow never creates it), or correct its path in the settings.`,
      );
    },
    space: () => spaceOf(settings.path),
    reserve: defaultReserve,
    async writeProtection() {
      try {
        await access(settings.path, constants.W_OK);
        return undefined;
      } catch (error) {
        return { why: describeError(error), forGood: false };
      }
    },
    async sync(folders) {
      for (const folder of folders) await fsyncFolder(folder);
      return 'fsync';
    },
  };
}
