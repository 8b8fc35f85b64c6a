import { openRepairOf } from '../../../catalog/retrievals/slice-repair.js';
import { awaySentence, openSlice, type SliceRequest } from '../../../catalog/retrievals/slices.js';
import { retrievalNamed } from '../../../catalog/retrievals/retrievals.js';
import { parseDuration } from '../../../config/durations.js';
import { usageFailure } from '../../../config/failures.js';
import { drivesToRead } from '../../../config/settings/drives.js';
import { parseSize } from '../../../config/sizes.js';
import { identityPath } from '../../encryption.js';
import { exitCodes } from '../../exit-codes.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import type { Session } from '../../session.js';
import type { VerifyFlags } from './verify-arguments.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/**
 * The slice that a `verify` is asked for; undefined: a set or a tape. Throws a usage failure for what does not go
 * together.
 */
export function plannedSlice(given: string | undefined, flags: VerifyFlags): SliceRequest | undefined {
  const { eachWithin: text, for: time, size, sample, latest } = flags;
  if (text === undefined) {
    if (time === undefined && size === undefined) return undefined;
    throw usageFailure(
      'NoSlice',
      english`${time === undefined ? '--size' : '--for'} limits a part of all tapes.`,
      english`Give --each-within too, such as --each-within 1y.`,
    );
  }
  if (given !== undefined || latest.length > 0 || sample !== '100' || flags.toDrive !== undefined)
    throw usageFailure(
      'SliceAndSubject',
      english`--each-within chooses from all tapes what was read longest ago.`,
      english`Leave out the set or tape, --latest, --sample and --to-drive.`,
    );
  const seconds = time === undefined ? undefined : durationOf('--for', time);
  const bytes = size === undefined ? undefined : parseSize(size);
  if (size !== undefined && (bytes === undefined || bytes <= 0))
    throw usageFailure('WrongSize', english`--size ${size} is no size.`, english`Write it as 500GB.`);
  const within = durationOf('--each-within', text);
  return { within, text, seconds, bytes, ...(flags.repair === true ? { repair: true } : {}) };
}

function durationOf(option: string, text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds > 0) return seconds;
  throw usageFailure(
    'WrongTime',
    english`${option} ${text} is no time.`,
    english`Write it as 2h, 30d or 1y.`,
  );
}

/** Reads a slice, writes again what is damaged if that was asked for, and names the tapes that are wanted. */
export async function verifySlice(session: Session, slice: SliceRequest, flags: VerifyFlags): Promise<void> {
  const catalog = await session.catalog();
  const { names, ...drives } = drivesToRead(await session.allDrives(), flags.drive);
  const loaded = () => tapesInDrives(session, names);
  const { row, attached, away } = await openSlice(
    catalog,
    slice,
    { ...drives, identity_file: identityPath(flags.identity) },
    loaded,
  );
  const wanted = awaySentence(away);
  if (wanted !== undefined) session.say(shown(wanted));
  if (row === undefined) {
    if (session.json)
      session.emit({ archives: 0, due: away.map(({ name, archives }) => ({ tape: name, archives })) });
    else
      session.print(
        t`Nothing is due on the tapes in the drives: each was read within ${slice.text}, or soon will be.`,
      );
    return;
  }
  await runRetrieval(session, row, { attached });
  const read = await retrievalNamed(catalog, row.id);
  if (slice.repair !== true || read.state !== 'incomplete') return;
  const repair = await openRepairOf(catalog, read, await loaded());
  if (repair.row !== undefined) await runRetrieval(session, repair.row, repair);
  else for (const { reason } of repair.problems) session.say(shown(reason));
  if (repair.row === undefined) process.exitCode = exitCodes.failure;
}
