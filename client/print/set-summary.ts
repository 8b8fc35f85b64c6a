import { stateWord } from '../../catalog/schema/state-words.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { formatCount } from '../../config/counts.js';
import { leftOutLines, uselessExcludes } from './excluded.js';
import { printEntryLists } from './entry-lists.js';
import { exitCodes } from '../exit-codes.js';
import type { Session } from '../session.js';
import type { Server } from '../server.js';
import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Maximum number of failed groups printed; `status SET --json` has all. */
const failedShown = 20;

/** 0, 1 or 3, by the result of the set. */
export function exitCodeOf(summary: SetSummary): number {
  if (summary.status === 'completed') return exitCodes.success;
  return summary.status === 'completed_with_skips' ? exitCodes.skipped : exitCodes.failure;
}

/** Which program reads the archives of a set. */
function readBy({ recipients }: SetSummary): string {
  return recipients === undefined ? t`any \`tar xzf\`` : t`\`age -d\` with the identity, piped to tar,`;
}

/** Prints the end of a set: one JSON object, or lines with the list of skipped entries. */
export async function printSummary(
  session: Session,
  summary: SetSummary,
  server: Server | undefined,
): Promise<void> {
  if (session.json) {
    session.emit(resultObject(summary));
    return;
  }
  const { setId, status, seconds, archives, files, bytesIn, bytesOut, tapes } = summary;
  session.print('');
  const why = summary.reason === null ? '' : ` (${shown(summary.reason)})`;
  const took = t` in ${formatSeconds(seconds)}`;
  session.print(t`Set ${setId}: ${`${shown(stateWord(status))}${took}${why}`}`);
  session.print(
    t`  ${formatCount(files, 'entry', 'entries')}, ${formatBytes(bytesIn)} in ${formatCount(archives, 'archive')}
      of ${formatBytes(bytesOut)}${archives > 1 ? t` together` : ''}${onTapes(tapes)}`,
  );
  if (summary.unchanged > 0) {
    const files = formatCount(summary.unchanged, 'file is', 'files are');
    session.print(
      t`  ${files} unchanged since set ${summary.base ?? ''}, and not stored again;
        a restore takes them from earlier sets`,
    );
  }
  if (summary.copies.length > 1) {
    const counts = summary.copies.map(
      ({ pool, archives: on }) => `${shown(formatCount(on, 'archive'))}${t` in pool ${pool}`}`,
    );
    session.print(t`  ${summary.copies.length} copies: ${counts.join(t`, `)}`);
  }
  const { drives } = await session.allDrives();
  for (const name of new Set(summary.copies.map((copy) => copy.drive))) {
    const drive = drives.find((candidate) => candidate.name === name);
    if (drive === undefined || archives === 0) continue;
    const where = `${drive.name}${drive.host === undefined ? '' : t` of host ${drive.host}`}`;
    session.print(
      t`  On the tape in drive ${where}: ${drive.path}/${setId}; ${readBy(summary)} reads the archives.`,
    );
  }
  for (const line of leftOutLines(summary, t`Left out:`)) session.print(line);
  for (const line of uselessExcludes(summary)) session.print(t`  Warning: ${line}`);
  await printEntryLists(session, summary);
  for (const { group, reason } of summary.failedGroups.slice(0, failedShown))
    session.print(t`  Group ${group} failed at ${reason}`);
  if (summary.failedGroups.length > 0) session.print(t`  \`tapeflow retry ${setId}\` tries them again.`);
  if (server?.lease !== undefined && !server.lease.stays()) {
    session.print(t`  The Temporal UI was at ${server.lease.host.ui}; \`tapeflow up\` opens it again.`);
  }
}

function onTapes(tapes: readonly string[]): string {
  if (tapes.length === 0) return t`, on no tape`;
  return tapes.length === 1 ? t` on tape ${tapes.join(', ')}` : t` on tapes ${tapes.join(', ')}`;
}

/** The modes that are called so nowhere else. */
const changesOnly = [english`incremental`, english`differential`];

/** The mode of a set as a word. */
export function modeWord(mode: string): string {
  if (changesOnly.includes(mode)) return shown(mode);
  // A tape that is full is another word in other languages; a blank tells the two keys apart.
  return mode === 'full' ? t` full`.trimStart() : mode;
}

/** `full`, or the mode with the base set. */
export function modeText(mode: string, base: string | null): string {
  return base === null ? modeWord(mode) : `${modeWord(mode)}${t`, since set ${base}`}`;
}

/** The final object of `backup --json`. */
export function resultObject(summary: SetSummary): object {
  const { setId, status, groups, archives, files, skipped, flagged, bytesIn, bytesOut, seconds, tapes } =
    summary;
  const counts = { files, skipped, flagged, excludes: summary.excludes };
  const verified = isVerified(summary);
  return { setId, status, groups, archives, ...counts, bytesIn, bytesOut, seconds, tapes, verified };
}

/** True when every copy of every archive was read back since it was written, and found as it was written. */
export function isVerified({ readBack: { copies, verified, damaged } }: SetSummary): boolean {
  return copies > 0 && verified === copies && damaged === 0;
}
