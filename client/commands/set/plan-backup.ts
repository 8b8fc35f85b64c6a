import type { CopyPlace } from '../../../catalog/sets/copy-places.js';
import type { ChosenOptions } from '../../../catalog/sets/chosen-options.js';
import { requireSetId } from '../../../catalog/sets/set-id.js';
import { usageFailure } from '../../../config/failures.js';
import type { Settings } from '../../../config/settings/settings.js';
import { requireHook } from '../../../config/settings/hooks.js';
import { driveNamed } from '../../../config/settings/drives.js';
import type { TakenRequest } from '../../../source/taken/resolve-taken.js';
import { requireName } from '../../print/names.js';
import { userPath } from '../../session.js';
import { resolveSources } from '../../sources.js';
import type { BackupFlags } from './backup-arguments.js';
import { english } from '../../../messages/sentence.js';

const modes = ['full', 'incremental', 'differential'];

/** The checked arguments of a `backup`. */
export interface PlannedBackup extends ChosenOptions {
  /** The paths alone. */
  paths: string[];
  /** The other host that has them; undefined: this one. */
  elsewhere: string | undefined;
  request: TakenRequest;
  drive: string;
  pool: string;
  /** Where each copy goes, if there are several. */
  places: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
  /** The recipients that it is encrypted to; not given: it is not. */
  recipients?: string[];
  allowShrunk?: boolean;
  hook?: string;
}

/** Checks the arguments of a `backup`; throws a usage failure that says what is wrong. */
export function plannedBackup(
  settings: Settings,
  paths: readonly string[],
  flags: BackupFlags,
): PlannedBackup {
  const request = takenRequest(paths, flags);
  if (flags.set !== undefined) requireSetId(flags.set);
  if (flags.set !== undefined && flags.new === true)
    throw usageFailure(
      'SetAndNew',
      english`--set ${flags.set} names the set, and --new asks for the next free number.`,
      english`Give one of them.`,
    );
  if (!modes.includes(flags.mode))
    throw usageFailure(
      'WrongMode',
      english`There is no mode ${JSON.stringify(flags.mode)}.`,
      english`It is full, incremental or differential.`,
    );
  const direct = flags.direct ?? settings.COMPRESS_DIRECTLY_TO_TAPE;
  const [first, ...further] = plannedPlaces(settings, flags);
  if (direct && further.length > 0) {
    throw usageFailure(
      'DirectCopies',
      english`Several copies need staging: an archive that is compressed directly to a tape is on that tape
        only.`,
      english`Leave out --direct or --copies, and see to it that COMPRESS_DIRECTLY_TO_TAPE is not set.`,
    );
  }
  const { elsewhere, paths: resolved } = resolveSources(paths, settings.TAPEFLOW_HOST);
  if (elsewhere !== undefined) requireNoFilesOf(elsewhere, flags);
  // Those of another host are in its own file.
  if (flags.hook !== undefined && elsewhere === undefined) requireHook(settings.hooks, flags.hook);
  if (flags.hook !== undefined) requireName(flags.hook, english`hook name`, 'WrongHook');
  if (direct) requireDriveBeside(elsewhere, settings, first);
  return {
    paths: resolved,
    elsewhere,
    request,
    ...first,
    places: further.length > 0 ? [first, ...further] : undefined,
    mode: flags.mode,
    direct,
    ...plannedRecipients(settings, flags),
    ...(flags.ignoreCtime === true ? { ignoreCtime: true } : {}),
    ...(flags.ignoreInode === true ? { ignoreInode: true } : {}),
    ...(flags.verify === true ? { verify: true } : {}),
    ...(flags.allowShrunk === true ? { allowShrunk: true } : {}),
    ...(flags.hook === undefined ? {} : { hook: flags.hook }),
  };
}

/** Whom the set is encrypted to, if it is. */
function plannedRecipients(
  { ENCRYPT, AGE_RECIPIENTS: recipients }: Settings,
  { encrypt = ENCRYPT, identity }: BackupFlags,
): { recipients?: string[] } {
  if (!encrypt && identity !== undefined)
    throw usageFailure(
      'NoEncrypt',
      english`--identity tries what --encrypt encrypts.`,
      english`Give both, or none.`,
    );
  if (!encrypt) return {};
  if (recipients !== undefined) return { recipients };
  throw usageFailure(
    'NoRecipients',
    english`--encrypt encrypts to the recipients of AGE_RECIPIENTS, which is not set.`,
    english`\`age-keygen -o KEYFILE\` makes an identity, and shows its recipient: docs/recovery.md says how
      to keep it.`,
  );
}

/** What goes directly to tape is compressed by the drive's own worker, which reads the sources. */
function requireDriveBeside(
  host: string | undefined,
  { drives, TAPEFLOW_HOST: here }: Pick<Settings, 'drives' | 'TAPEFLOW_HOST'>,
  { drive: name }: CopyPlace,
): void {
  const at = drives.find((drive) => drive.name === name)?.host;
  if (at === host) return;
  throw usageFailure(
    'DirectAcrossHosts',
    english`The sources are on host ${host ?? here} and the drive ${name} is on host ${at ?? here}: what goes
      directly to tape is read by the drive's worker.`,
    english`Leave --direct out, and see to it that COMPRESS_DIRECTLY_TO_TAPE is not set; or take a drive of
      that host.`,
  );
}

/** Files of the command line are read where it runs, and what they name is meant to be there. */
function requireNoFilesOf(host: string, flags: BackupFlags): void {
  const named = {
    '--dry-run': flags.dryRun === true,
    '--files-from': flags.filesFrom !== undefined,
    '--files-from0': flags.filesFrom0 !== undefined,
  };
  for (const [flag, isGiven] of Object.entries(named))
    if (isGiven)
      throw usageFailure(
        'OtherHost',
        english`${flag} looks at files of this host, and the sources are on host ${host}.`,
        english`Run this command on host ${host}.`,
      );
}

/** What of the sources is to be taken. */
function takenRequest(paths: readonly string[], flags: BackupFlags): TakenRequest {
  const lines = flags.filesFrom ?? flags.filesFrom0;
  if (flags.filesFrom !== undefined && flags.filesFrom0 !== undefined)
    throw usageFailure(
      'TwoLists',
      english`Both --files-from and --files-from0 are given.`,
      english`Give one of them.`,
    );
  if (paths.length === 0 && lines === undefined)
    throw usageFailure(
      'NoSources',
      english`Nothing is given to back up.`,
      english`Give files, folders or --files-from.`,
    );
  const present = [...new Set(flags.excludeIfPresent)];
  const wrong = present.find((name) => /^\.{0,2}$|[/\ufffd]/.test(name));
  if (wrong !== undefined)
    throw usageFailure(
      'WrongName',
      english`--exclude-if-present cannot be ${JSON.stringify(wrong)}: it is not the name of a file.`,
    );
  return {
    from: userPath('.'),
    excludes: flags.exclude ?? flags.excludeFrom ?? [],
    ...(lines === undefined
      ? {}
      : { list: { file: lines === '-' ? '-' : userPath(lines), nul: flags.filesFrom0 !== undefined } }),
    options: {
      ...(flags.oneFileSystem === true ? { oneFileSystem: true } : {}),
      ...(flags.excludeCaches === true ? { excludeCaches: true } : {}),
      ...(present.length > 0 ? { excludeIfPresent: present } : {}),
    },
  };
}

/** Maximum number of copies of a set. */
const maxCopies = 9;

/** Where each copy goes: as many as `--copies` says, in different pools, since a tape must never hold two of them. */
function plannedPlaces(settings: Settings, flags: BackupFlags): [CopyPlace, ...CopyPlace[]] {
  const pools = flags.pool.length > 0 ? flags.pool : [settings.TAPE_POOL];
  const drives = flags.drive.length > 0 ? flags.drive : ['lto1'];
  for (const pool of pools) requireName(pool, english`pool name`, 'WrongPool');
  const copies = flags.copies === undefined ? 1 : Number(flags.copies);
  if (!Number.isInteger(copies) || copies < 1 || copies > maxCopies)
    throw usageFailure(
      'WrongCopies',
      english`--copies cannot be ${JSON.stringify(flags.copies)}.`,
      english`It is a whole number from 1 to ${maxCopies}.`,
    );
  if (pools.length !== copies || new Set(pools).size !== copies) {
    const advice =
      copies === 1
        ? english`Add --copies ${pools.length} for a copy in each.`
        : english`Give --pool ${copies} times, with ${copies} names: no tape may hold two copies.`;
    const names = pools.join(', ');
    const one = english`Each copy needs a pool of its own, but for one copy ${pools.length} pools are given
      (${names}).`;
    const few = english`Each copy needs a pool of its own, but for ${copies} copies one pool is given
      (${names}).`;
    const many = english`Each copy needs a pool of its own, but for ${copies} copies
      ${pools.length} pools are given (${names}).`;
    throw usageFailure('WrongPools', copies === 1 ? one : pools.length === 1 ? few : many, advice);
  }
  if (drives.length > 1 && drives.length !== copies)
    throw usageFailure(
      'WrongDrives',
      english`There are ${copies} copies, but ${drives.length} drives are given (${drives.join(', ')}).`,
      english`Give one drive for all copies, or one for each.`,
    );
  const places = pools.map((pool, index) => ({
    pool,
    drive: driveNamed(settings, drives[index] ?? drives[0] ?? 'lto1').name,
  }));
  const [first] = places;
  if (first === undefined) throw usageFailure('WrongPools', english`No pool is given.`);
  return [first, ...places.slice(1)];
}
