import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { tapeSpeeds } from '../../../catalog/figures/tape-speed.js';
import type { OpenedRead } from '../../../catalog/retrievals/open-read.js';
import { planRepack, type RepackPlan } from '../../../catalog/retrievals/plan/plan-repack.js';
import {
  insertRetrieval,
  unfinishedRetrievalLike,
  type NewRetrieval,
} from '../../../catalog/retrievals/retrievals.js';
import type { TapeRow } from '../../../catalog/rows.js';
import { SetRetention } from '../../../catalog/sets/set-retention.js';
import { foreignTape } from '../../../catalog/tapes/erasable.js';
import { tapeRetention, type TapeRetention } from '../../../catalog/tapes/tape-retention.js';
import { formatCount } from '../../../config/counts.js';
import { formatSeconds } from '../../../config/durations.js';
import { usageFailure } from '../../../config/failures.js';
import { copyDrives, drivesToRead } from '../../../config/settings/drives.js';
import { formatBytes } from '../../../config/sizes.js';
import { exitCodes } from '../../exit-codes.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { retentionObject, retentionText } from '../../print/retention-text.js';
import { inSession, type Session } from '../../session.js';
import { namedTape, tapeObject } from './named-tape.js';

/** Options of `tape repack`. */
export interface RepackFlags {
  drive?: string;
  toDrive?: string;
  dryRun?: true;
}

/** `tape repack NAME`: what is still needed of a tape goes to others of its pool, and it may be erased. */
export function addTapeRepack(tape: Command): void {
  tape
    .command('repack')
    .description('copy what is still needed of a tape to other tapes of its pool, so that it can be erased')
    .argument('<tape>', 'the tape')
    .option('--dry-run', 'say what would be copied, and how long that takes; copy nothing')
    .option('--drive <drive>', 'read with this drive only (default: with any that has the tape)')
    .option(
      '--to-drive <drive>',
      'write with this drive only (default: that of --drive, which asks for tapes in turn; else any with one for it)',
    )
    .action((name: string, flags: RepackFlags, command: Command) =>
      inSession(command, (session) => repack(session, name, flags)),
    );
}

async function repack(session: Session, name: string, flags: RepackFlags): Promise<void> {
  if (flags.dryRun === true) return previewRepack(session, name, flags);
  const begun = await beginRepack(session, name, flags);
  if (begun !== undefined) await runRetrieval(session, begun.row, begun);
  const isFree = await sayWhatIsLeft(session, name);
  if (!isFree && (process.exitCode ?? exitCodes.success) === exitCodes.success)
    process.exitCode = exitCodes.failure;
}

/**
 * Makes the copy that takes what is still needed of a tape to others of its pool, or finds the unfinished one; nothing
 * copies for it yet. Undefined, with a note on what cannot be copied, when there is nothing to copy.
 */
export async function beginRepack(
  session: Session,
  name: string,
  flags: RepackFlags,
): Promise<OpenedRead | undefined> {
  const catalog = await session.catalog();
  const tape = await readableTape(session, name);
  const { drive, any_drive, toDrive } = copyDrives(await session.allDrives(), flags);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject: name, drive, any_drive, to_drive: toDrive, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ repack: true }) },
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) return { row: unfinished, attached: true };
  const { archives, problems } = await planOf(session, tape, flags);
  if (tape.state === 'suspect')
    session.say(t`The tape ${name} is suspect: what can be read is copied, and what cannot is named.`);
  if (archives.length > 0)
    return { row: await insertRetrieval(catalog, wanted, archives, problems), attached: false };
  for (const { reason } of problems) session.say(shown(reason));
  return undefined;
}

async function planOf(session: Session, tape: TapeRow, { drive }: RepackFlags): Promise<RepackPlan> {
  const kept = await keptOf(session, tape);
  const loaded = await tapesInDrives(session, drivesToRead(await session.allDrives(), drive).names);
  return planRepack(await session.catalog(), tape, kept, { now: Date.now(), loaded });
}

/** The tape of that name; throws a usage failure when nothing can be read from it. */
async function readableTape(session: Session, name: string): Promise<TapeRow> {
  const tape = await namedTape(session, name);
  if (tape.state === 'foreign') throw foreignTape(name);
  if (tape.state === 'lost')
    throw usageFailure(
      'LostTape',
      english`The tape ${name} is marked as lost.`,
      english`\`tapeflow verify ${name} --repair\` writes what was on it again from other copies.`,
    );
  if (tape.state === 'erasing')
    throw usageFailure(
      'ErasingTape',
      english`The erasing of tape ${name} has begun, and nothing on it counts.`,
    );
  return tape;
}

async function keptOf(session: Session, tape: TapeRow): Promise<TapeRetention> {
  const catalog = await session.catalog();
  const keeping = await SetRetention.of(catalog, session.settings.retentions);
  return tapeRetention(catalog, tape, keeping, Date.now());
}

/** Says what would be copied, and how long that takes at the speed of late. */
export async function previewRepack(session: Session, name: string, flags: RepackFlags): Promise<void> {
  const tape = await readableTape(session, name);
  // A preview refuses a drive that there is not, as the copy would.
  copyDrives(await session.allDrives(), flags);
  const { pool } = tape;
  const { archives, bytes, there, expired, problems } = await planOf(session, tape, flags);
  const { read, write } = await tapeSpeeds(await session.catalog());
  const seconds = read === undefined || write === undefined ? null : Math.round(bytes / read + bytes / write);
  if (session.json) {
    const reasons = problems.map(({ reason }) => reason);
    session.emit({
      tape: name,
      pool,
      archives: archives.length,
      bytes,
      there,
      expired,
      seconds,
      problems: reasons,
    });
    return;
  }
  const time =
    archives.length === 0 || seconds === null ? '' : t`, in about ${formatSeconds(seconds)} with one drive`;
  session.print(
    t`Of tape ${name}, ${formatCount(archives.length, 'archive')} of ${formatBytes(bytes)} would be copied
      to other tapes of pool ${pool}${time}.`,
  );
  if (there > 0)
    session.print(t`  ${formatCount(there, 'archive is', 'archives are')} on another one already.`);
  if (expired > 0)
    session.print(t`  ${formatCount(expired, 'archive is', 'archives are')} not needed any more.`);
  for (const { reason } of problems) session.print(`  ${shown(reason)}`);
}

/** Says whether a tape may be erased now, and returns it. */
export async function sayWhatIsLeft(session: Session, name: string): Promise<boolean> {
  const now = Date.now();
  const tape = await namedTape(session, name);
  const kept = await keptOf(session, tape);
  const isFree = kept.until <= now && kept.inUse.length === 0;
  if (session.json) {
    session.emit({ ...tapeObject(tape), ...retentionObject(kept), needed: !isFree });
    return isFree;
  }
  if (isFree) {
    session.print(
      t`Nothing on tape ${tape.name} is needed any more: \`tapeflow tape erase ${tape.name} --yes\` erases it.`,
    );
    return true;
  }
  const left = kept.sets.filter((set) => set.neededUntil > now);
  const archives = left.reduce((sum, set) => sum + set.archives - set.inPool, 0);
  session.print(
    t`The tape ${tape.name} is still needed (${retentionText(kept, now)}): of
      ${formatCount(left.length, 'set')}, ${formatCount(archives, 'archive is', 'archives are')} on no other good
      tape of pool ${tape.pool}.`,
  );
  return false;
}
