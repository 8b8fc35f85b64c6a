import { placesOf, type CopyPlace } from '../catalog/set-copies.js';
import { openSet } from '../catalog/sets.js';
import { rememberSetsInDrives } from '../tape/tape-demand.js';
import { asAttempt } from './attempt.js';
import type { Deps } from './deps.js';
import { snapshotOptions, setOptions, type SetOptions } from './set-options.js';

/** What a schedule backs up each time: the arguments of a `backup`, resolved when the schedule was made. */
export interface ScheduledBackup {
  /** Name of the schedule. */
  name: string;
  /** Absolute paths, links resolved, none inside another. */
  sources: string[];
  excludes: string[];
  drive: string;
  pool: string;
  /** Where each copy goes, if there are several. */
  places?: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
}

/** The set that a run of a schedule works on. */
export interface ScheduledSet {
  setId: string;
  pool: string;
  drive: string;
  places?: CopyPlace[];
  scanned: boolean;
  options: SetOptions;
}

/**
 * Makes the set of one run of a schedule, with the settings of now; or takes up the unfinished one of the same sources,
 * which an interrupted run or a person has left.
 */
export function openScheduledSet(deps: Deps, backup: ScheduledBackup): Promise<ScheduledSet> {
  return asAttempt(async () => {
    const { catalog, settings } = deps;
    await rememberSetsInDrives(catalog, settings.drives);
    const { sources, excludes, drive, pool, places, mode, direct } = backup;
    const { set } = await openSet(
      catalog,
      { sources, excludes, drive, pool, places, mode, direct, options: snapshotOptions(settings) },
      { fresh: false },
    );
    return {
      setId: set.id,
      pool: set.pool,
      drive: set.drive,
      ...(set.places === null ? {} : { places: placesOf(set) }),
      scanned: set.scanned === 1,
      options: setOptions(set),
    };
  });
}
