import type { Command } from 'commander';
import type { CopyPlace } from '../../../catalog/sets/copy-places.js';
import type { IgnoredSigns } from '../../../catalog/sets/ignored-signs.js';
import { requireSetId } from '../../../catalog/sets/set-id.js';
import { usageFailure } from '../../../config/failures.js';
import type { Settings } from '../../../config/settings/settings.js';
import { driveNamed } from '../../../config/settings/drives.js';
import { requireGlob, requireName } from '../../print/names.js';
import { refuseInvalidText, resolveSources } from '../../sources.js';

const modes = ['full', 'incremental', 'differential'];

/** Options of `backup`. */
export interface BackupFlags extends IgnoredSigns {
  set?: string;
  drive: string[];
  pool: string[];
  copies?: string;
  exclude: string[];
  mode: string;
  direct?: boolean;
  detach?: boolean;
  new?: boolean;
}

/** Adds the arguments and options of `backup` to a command; schedules take the same. */
export function backupArguments(command: Command): Command {
  const repeat = (value: string, before: string[]) => [...before, value];
  return command
    .argument('<path...>', 'files and folders')
    .option('--set <id>', 'id of the set, such as 2026-11_000001 (default: the next free one)')
    .option(
      '--copies <number>',
      'number of copies, each on tapes of its own pool: give --pool for each of them (default: 1)',
    )
    .option(
      '--pool <name>',
      'pool whose tapes may be written; again for each further copy (default: TAPE_POOL)',
      repeat,
      [],
    )
    .option(
      '--drive <name>',
      'drive to write to; again for each further copy that has a drive of its own (default: lto1)',
      repeat,
      [],
    )
    .option('--exclude <glob>', 'leave out what matches; gitignore rules; may be given again', repeat, [])
    .option(
      '--mode <mode>',
      'full; incremental: what has changed since the newest set of ' +
        'these sources; differential: since the newest full one',
      'full',
    )
    .option(
      '--ignore-ctime',
      'for incremental and differential: a file whose size, time and inode are the same is unchanged, ' +
        'even if its time of change (ctime) is not: it is not read',
    )
    .option('--ignore-inode', 'the same for a file with another inode number')
    .option('--direct', 'compress directly to tape, without staging')
    .option('--detach', 'start it, leave server and workers running, and return at once')
    .option('--new', 'start another set, even if the same one is unfinished');
}

/** The checked arguments of a `backup`. */
export interface PlannedBackup extends IgnoredSigns {
  sources: string[];
  excludes: string[];
  drive: string;
  pool: string;
  /** Where each copy goes, if there are several. */
  places: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
}

/** Checks the arguments of a `backup`; throws a usage failure that says what is wrong. */
export function plannedBackup(
  settings: Settings,
  paths: readonly string[],
  flags: BackupFlags,
): PlannedBackup {
  const sources = resolveSources(paths);
  if (flags.set !== undefined) requireSetId(flags.set);
  if (flags.set !== undefined && flags.new === true)
    throw usageFailure(
      'SetAndNew',
      `--set ${flags.set} names the set, and --new asks for the next free number.`,
      'Give one of them.',
    );
  if (!modes.includes(flags.mode))
    throw usageFailure(
      'WrongMode',
      `There is no mode ${JSON.stringify(flags.mode)}.`,
      'It is full, incremental or differential.',
    );
  for (const glob of flags.exclude) {
    requireGlob(glob, '--exclude');
    refuseInvalidText(glob, 'exclude');
  }
  const direct = flags.direct ?? settings.COMPRESS_DIRECTLY_TO_TAPE;
  const [first, ...further] = plannedPlaces(settings, flags);
  if (direct && further.length > 0) {
    throw usageFailure(
      'DirectCopies',
      'Several copies need staging: an archive that is compressed directly to a tape is on that tape only.',
      'Leave out --direct or --copies, and see to it that COMPRESS_DIRECTLY_TO_TAPE is not set.',
    );
  }
  return {
    sources,
    excludes: flags.exclude,
    ...first,
    places: further.length > 0 ? [first, ...further] : undefined,
    mode: flags.mode,
    direct,
    ...(flags.ignoreCtime === true ? { ignoreCtime: true } : {}),
    ...(flags.ignoreInode === true ? { ignoreInode: true } : {}),
  };
}

/** Maximum number of copies of a set. */
const maxCopies = 9;

/** Where each copy goes: as many as `--copies` says, in different pools, since a tape must never hold two of them. */
function plannedPlaces(settings: Settings, flags: BackupFlags): [CopyPlace, ...CopyPlace[]] {
  const pools = flags.pool.length > 0 ? flags.pool : [settings.TAPE_POOL];
  const drives = flags.drive.length > 0 ? flags.drive : ['lto1'];
  for (const pool of pools) requireName(pool, 'pool name', 'WrongPool');
  const copies = flags.copies === undefined ? 1 : Number(flags.copies);
  if (!Number.isInteger(copies) || copies < 1 || copies > maxCopies)
    throw usageFailure(
      'WrongCopies',
      `--copies cannot be ${JSON.stringify(flags.copies)}.`,
      `It is a whole number from 1 to ${maxCopies}.`,
    );
  if (pools.length !== copies || new Set(pools).size !== copies) {
    const advice =
      copies === 1
        ? `Add --copies ${pools.length} for a copy in each.`
        : `Give --pool ${copies} times, with ${copies} names: no tape may hold two copies.`;
    const given = `${pools.length === 1 ? 'one pool is' : `${pools.length} pools are`} given (${pools.join(', ')})`;
    throw usageFailure(
      'WrongPools',
      `Each copy needs a pool of its own, but for ${copies === 1 ? 'one copy' : `${copies} copies`} ${given}.`,
      advice,
    );
  }
  if (drives.length > 1 && drives.length !== copies)
    throw usageFailure(
      'WrongDrives',
      `There are ${copies} copies, but ${drives.length} drives are given (${drives.join(', ')}).`,
      'Give one drive for all copies, or one for each.',
    );
  const places = pools.map((pool, index) => ({
    pool,
    drive: driveNamed(settings, drives[index] ?? drives[0] ?? 'lto1').name,
  }));
  const [first] = places;
  if (first === undefined) throw usageFailure('WrongPools', 'No pool is given.');
  return [first, ...places.slice(1)];
}
