import { lstatSync, realpathSync } from 'node:fs';
import type { Command } from 'commander';
import { requireZstdHere } from '../../../operations/sets/zstd-here.js';
import { costWithoutNative } from '../../../archive/blocks/native-codec.js';
import { setsInDrives } from '../../../tape/drives/tape-demand.js';
import { type CopyPlace } from '../../../catalog/sets/set-copies.js';
import { openSet, rememberSeenSets, requireSetId, type OpenedSet } from '../../../catalog/sets/sets.js';
import type { SetRow } from '../../../catalog/rows.js';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../../../config/failures.js';
import { driveNamed, type Settings } from '../../../config/settings.js';
import { requireSources } from '../../../source/require-sources.js';
import { outermost } from '../../../source/walk.js';
import { prepareServer } from '../../../workers/server/prepare-server.js';
import { snapshotOptions } from '../../../operations/sets/set-options.js';
import { usesOwnServer } from '../../../workers/server/temporal-target.js';
import { followSet, modeText } from '../../follow/follow.js';
import { requireGlob } from '../../print/names.js';
import { connectServer, inSession, userPath, type Server, type Session } from '../../session.js';
import { beginSet } from '../../follow/begin-set.js';

const modes = ['full', 'incremental', 'differential'];

/** What `backup` is given besides its paths. */
export interface BackupFlags {
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

/**
 * `backup PATH…`: starts a set, or attaches to the unfinished one that has these sources, and follows it to its end.
 */
export function addBackup(program: Command): void {
  backupArguments(program.command('backup')).action((paths: string[], flags: BackupFlags, command: Command) =>
    inSession(command, (session) => backup(session, paths, flags)),
  );
}

/** Gives a command the arguments and options of `backup`; a schedule takes the same. */
export function backupArguments(command: Command): Command {
  const repeat = (value: string, before: string[]) => [...before, value];
  return command
    .argument('<path...>', 'files and folders')
    .option('--set <id>', 'id of the set, such as 2026-11_000001 (default: the next free one)')
    .option(
      '--copies <number>',
      'write every archive to so many tapes, of a pool each: give --pool for each of them (default: 1)',
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
      'full; incremental: what has changed since the newest set of these sources; differential: since the newest full one',
      'full',
    )
    .option('--direct', 'compress straight on to the tape, without staging')
    .option('--detach', 'start it, leave server and workers running, and return at once')
    .option('--new', 'start another set, even if the same one is unfinished');
}

/** What a `backup` asks for, checked. */
export interface PlannedBackup {
  sources: string[];
  excludes: string[];
  drive: string;
  pool: string;
  /** Where each copy goes, if there are several. */
  places: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
}

/** Checks what a `backup` is given; a usage failure says what is wrong. */
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
      'Several copies need staging: an archive that is compressed straight on to a tape is on that one only.',
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
  };
}

/** Most copies of a set. */
const mostCopies = 9;

/**
 * Where each copy goes: as many as `--copies` says, in pools that differ, since one tape must never hold two of them.
 */
function plannedPlaces(settings: Settings, flags: BackupFlags): [CopyPlace, ...CopyPlace[]] {
  const pools = flags.pool.length > 0 ? flags.pool : [settings.TAPE_POOL];
  const drives = flags.drive.length > 0 ? flags.drive : ['lto1'];
  for (const pool of pools) requirePoolName(pool);
  const copies = flags.copies === undefined ? 1 : Number(flags.copies);
  if (!Number.isInteger(copies) || copies < 1 || copies > mostCopies)
    throw usageFailure(
      'WrongCopies',
      `--copies cannot be ${JSON.stringify(flags.copies)}.`,
      `It is a whole number from 1 to ${mostCopies}.`,
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

function requirePoolName(pool: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(pool)) return;
  throw usageFailure(
    'WrongPool',
    `${JSON.stringify(pool)} is no pool name.`,
    'Use letters, digits, dots, dashes and underscores.',
  );
}

async function backup(session: Session, paths: string[], flags: BackupFlags): Promise<void> {
  const { settings } = session;
  const planned = plannedBackup(settings, paths, flags);
  await requireSources(settings, planned.sources, planned.excludes);
  // With an own server the workers may be on another machine.
  if (settings.COMPRESSION === 'zstd' && !usesOwnServer(settings, process.env))
    await requireZstdHere(settings.COMPRESSION_CODEC);
  const catalog = await session.catalog();
  const seen = setsInDrives(settings);
  const server = await connectServer(session);
  try {
    // Before there is a set: a server that is not as it must be leaves none behind.
    await prepareServer(server);
    await rememberSeenSets(catalog, await seen);
    const opened = await openSet(
      catalog,
      { ...planned, id: flags.set, options: snapshotOptions(settings) },
      { fresh: flags.new === true },
    );
    const { set, attached } = opened;
    sayOpened(session, opened, flags.mode);
    // With an own server the workers may be on another machine: they say it in their logs.
    const cost =
      attached || usesOwnServer(settings, process.env)
        ? undefined
        : await costWithoutNative(settings.COMPRESSION_CODEC);
    if (cost !== undefined) session.say(cost);
    await beginSet(session, server, set, { retry: false });
    if (flags.detach === true) {
      await server.lease?.stay();
      requireNotPaused(set);
      announceDetached(session, set, attached, server);
    } else {
      await followSet(session, server, set, { attached });
    }
  } finally {
    await server.close();
  }
}

/** Says which set it is, on what it builds, and where that is not what was asked for. */
function sayOpened(session: Session, { set, attached, note, others }: OpenedSet, asked: string): void {
  const { id, mode, base_id: base } = set;
  if (attached) {
    const full = asked !== mode ? `, which is ${modeText(mode, base)}` : '';
    session.say(`This is what the unfinished set ${id}${full} backs up, so no other is begun.`);
    return;
  }
  for (const other of others)
    session.say(
      `The unfinished set ${other.id} of these sources is another one: ${other.differs.join(', and ')}. So set ${id} is begun; each waits for the drive while the other has it.`,
    );
  if (note !== undefined) session.say(note);
  if (base !== null) {
    session.say(`Set ${id} is ${modeText(mode, base)}: what is unchanged is not stored again.`);
  } else if (asked !== 'full') {
    const wanted = asked === 'differential' ? 'completed full set' : 'completed set';
    const why = note === undefined ? `There is no ${wanted} of these sources to build on, so set` : 'Set';
    session.say(`${why} ${id} is a full one.`);
  }
}

/** Of a set that a command has attached to: it does nothing until somebody resumes it. */
function requireNotPaused({ id, state }: SetRow): void {
  if (state !== 'paused') return;
  throw new TapeflowFailure('SetPaused', `The unfinished set ${id} of this backup is paused.`, {
    advice: `\`tapeflow resume ${id}\` lets it go on, and \`backup --new\` begins another.`,
  });
}

function announceDetached(session: Session, set: SetRow, attached: boolean, { lease }: Server): void {
  const ui = lease?.host.ui;
  if (session.json) {
    session.emit({ setId: set.id, status: set.state, attached, ui: ui ?? null });
    return;
  }
  session.print(attached ? `The unfinished set ${set.id} goes on.` : `Set ${set.id} has started.`);
  if (ui !== undefined) session.print(`Temporal UI: ${ui}`);
  const stops = lease === undefined ? '' : '; `tapeflow down` stops server and workers';
  session.print(`\`tapeflow watch ${set.id}\` shows it${stops}.`);
}

/**
 * The sources as the scan takes them: absolute, links resolved, none inside another. A usage failure names the first
 * that is missing.
 */
export function resolveSources(given: readonly string[]): string[] {
  const sources = given.map((text) => {
    const asked = userPath(text);
    refuseInvalidText(asked);
    let real: string;
    try {
      // A symbolic link that is given as a source means what it leads to.
      real = realpathSync(asked);
      refuseInvalidText(real);
      lstatSync(real);
    } catch (error) {
      if (error instanceof TapeflowFailure) throw error;
      const missing = systemErrorCode(error) === 'ENOENT';
      throw usageFailure(
        'NoSuchSource',
        missing
          ? `The source ${asked} does not exist.`
          : `The source ${asked} cannot be read: ${describeError(error)}.`,
        'Nothing was started.',
      );
    }
    return real;
  });
  return outermost(sources);
}

/**
 * Refuses a path with bytes that are no UTF-8, which reach a program as U+FFFD: the bytes are lost, and what is left
 * could name something else.
 */
function refuseInvalidText(text: string, what = 'source'): void {
  if (!text.includes('\ufffd')) return;
  throw usageFailure(
    'NotUtf8',
    `The ${what} ${text} is not valid UTF-8, and such a name cannot be given on a command line.`,
    what === 'source'
      ? 'Give the folder above it: the names inside a source may be any bytes.'
      : 'Use `?` or `*` in the place of such a byte.',
  );
}
