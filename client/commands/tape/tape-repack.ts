import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { tapeSpeeds } from '../../../catalog/figures/tape-speed.js';
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

interface RepackFlags {
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
  const settings = await session.allDrives();
  const catalog = await session.catalog();
  const tape = await namedTape(session, name);
  requireReadable(tape);
  const { drive, any_drive, toDrive } = copyDrives(settings, flags);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject: name, drive, any_drive, to_drive: toDrive, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ repack: true }) },
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined && flags.dryRun !== true) {
    await runRetrieval(session, unfinished, { attached: true });
    await sayWhatIsLeft(session, tape);
    return;
  }
  const kept = await keptOf(session, tape);
  const loaded = await tapesInDrives(session, drivesToRead(settings, flags.drive).names);
  const plan = await planRepack(catalog, tape, kept, { now: Date.now(), loaded });
  if (flags.dryRun === true) {
    await sayPlan(session, tape, plan);
    return;
  }
  if (tape.state === 'suspect')
    session.say(t`The tape ${name} is suspect: what can be read is copied, and what cannot is named.`);
  if (plan.archives.length > 0) {
    const row = await insertRetrieval(catalog, wanted, plan.archives, plan.problems);
    await runRetrieval(session, row, { attached: false });
  } else for (const { reason } of plan.problems) session.say(shown(reason));
  await sayWhatIsLeft(session, tape);
}

function requireReadable({ name, state }: TapeRow): void {
  if (state === 'foreign') throw foreignTape(name);
  if (state === 'lost')
    throw usageFailure(
      'LostTape',
      english`The tape ${name} is marked as lost.`,
      english`\`tapeflow verify ${name} --repair\` writes what was on it again from other copies.`,
    );
  if (state === 'erasing')
    throw usageFailure(
      'ErasingTape',
      english`The erasing of tape ${name} has begun, and nothing on it counts.`,
    );
}

async function keptOf(session: Session, tape: TapeRow): Promise<TapeRetention> {
  const catalog = await session.catalog();
  const keeping = await SetRetention.of(catalog, session.settings.retentions);
  return tapeRetention(catalog, tape, keeping, Date.now());
}

/** What would be copied, and how long that takes at the speed of late. */
async function sayPlan(session: Session, { name, pool }: TapeRow, plan: RepackPlan): Promise<void> {
  const { archives, bytes, there, expired, problems } = plan;
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

/** Says whether the tape may be erased now. */
async function sayWhatIsLeft(session: Session, tape: TapeRow): Promise<void> {
  const now = Date.now();
  const kept = await keptOf(session, tape);
  const isFree = kept.until <= now && kept.inUse.length === 0;
  if (!isFree && (process.exitCode ?? exitCodes.success) === exitCodes.success)
    process.exitCode = exitCodes.failure;
  if (session.json) {
    session.emit({ ...tapeObject(tape), ...retentionObject(kept), needed: !isFree });
    return;
  }
  if (isFree) {
    session.print(
      t`Nothing on tape ${tape.name} is needed any more: \`tapeflow tape erase ${tape.name} --yes\` erases it.`,
    );
    return;
  }
  const left = kept.sets.filter((set) => set.neededUntil > now);
  const archives = left.reduce((sum, set) => sum + set.archives - set.inPool, 0);
  session.print(
    t`The tape ${tape.name} is still needed (${retentionText(kept, now)}): of
      ${formatCount(left.length, 'set')}, ${formatCount(archives, 'archive is', 'archives are')} on no other good
      tape of pool ${tape.pool}.`,
  );
}
