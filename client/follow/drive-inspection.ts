import path from 'node:path';
import { placesOf } from '../../catalog/sets/copy-places.js';
import type { SetRow } from '../../catalog/rows.js';
import { describeError } from '../../config/failures.js';
import { driveNamed } from '../../config/settings/drives.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import { identifyTape, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import type { Session } from '../session.js';
import { t } from '../../messages/shown.js';

/** The state of one drive of a set. */
export interface DriveInspection {
  drive: string;
  /** The tape in it, or why it cannot be identified. */
  loaded: LoadedTape | { failure: unknown };
  /** Bytes of the requested archive on that tape; undefined when it is missing. */
  archiveBytes: number | undefined;
  /** Path of that archive, whether it exists or not. */
  archiveFile: string | undefined;
}

/** Inspects all drives of a set, and an archive on their tapes, with a time limit. */
export async function inspectDrives(
  session: Session,
  set: SetRow,
  archive?: string,
): Promise<DriveInspection[]> {
  const catalog = await session.catalog();
  const all = await session.allDrives();
  const names = [...new Set(placesOf(set).map((place) => place.drive))];
  return Promise.all(
    names.map(async (drive): Promise<DriveInspection> => {
      try {
        const settings = driveNamed(all, drive);
        return await queryDrive(session.settings, settings, async (asked) => {
          const loaded = await identifyTape(asked, catalog);
          const file = archive === undefined ? undefined : path.join(set.id, archive);
          const archiveBytes = file === undefined ? undefined : await asked.sizeOf(file);
          const archiveFile = file === undefined ? undefined : path.join(settings.path, file);
          return { drive, loaded, archiveBytes, archiveFile };
        });
      } catch (failure) {
        return { drive, loaded: { failure }, archiveBytes: undefined, archiveFile: undefined };
      }
    }),
  );
}

/** UUIDs of the tapes in some drives, from their labels only. Reports and skips drives that do not answer. */
export async function tapesInDrives(session: Session, drives: readonly string[]): Promise<string[]> {
  const settings = await session.allDrives();
  const found = await Promise.all(
    drives.map(async (name) => {
      try {
        // What is in those is looked for when it is needed.
        if (settings.drives.some((drive) => drive.name === name && drive.host !== undefined))
          return undefined;
        return (await queryDrive(settings, driveNamed(settings, name), (drive) => drive.label()))?.uuid;
      } catch (error) {
        session.say(t`Which tape is in drive ${name} is not known: ${describeError(error)}`);
        return undefined;
      }
    }),
  );
  return found.filter((uuid) => uuid !== undefined);
}
