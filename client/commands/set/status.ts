import type { Command } from 'commander';
import {
  finalRetrievalStates,
  summarizeRetrieval,
  unfinishedRetrievals,
} from '../../../catalog/retrievals/retrievals.js';
import { finalSetStates } from '../../../catalog/schema.js';
import {
  listSets,
  setNamed,
  summarizeSet,
  unfinishedSets,
  type SetSummary,
} from '../../../catalog/sets/sets.js';
import { describeError } from '../../../config/failures.js';
import { formatBytes, formatSeconds } from '../../../config/sizes.js';
import { numberRanges } from '../../../config/number-ranges.js';
import { counted, shownNumber } from '../../../config/counts.js';
import { entryListsObject, printEntryLists } from '../../print/entry-lists.js';
import { exitCodeOf, modeText, resultObject } from '../../follow/follow.js';
import { isRetrievalId, printRetrieval } from '../../follow/follow-retrieval.js';
import { anotherCopy } from '../../print/keeping-text.js';
import { stepLine } from '../../follow/live-view.js';
import { pendingReads, pendingSteps } from '../../follow/pending-steps.js';
import { findServer, inReadingSession, type Server, type Session } from '../../session.js';
import { troubleOf } from '../../follow/set-health.js';

/** `status [SET]`: all about one, or about each unfinished one. */
export function addStatus(program: Command): void {
  program
    .command('status')
    .argument('[set]', 'the set, restore, verify or copy (default: every unfinished one, else the last set)')
    .action((id: string | undefined, _options, command: Command) =>
      inReadingSession(command, async (session) => {
        if (id === undefined || isRetrievalId(id)) await printRetrievals(session, id);
        if (id === undefined || !isRetrievalId(id)) await printStatus(session, id);
      }),
    );
}

async function printRetrievals(session: Session, id: string | undefined): Promise<void> {
  const catalog = await session.catalog();
  const ids = id === undefined ? (await unfinishedRetrievals(catalog)).map((row) => row.id) : [id];
  let server: Server | undefined;
  try {
    for (const one of ids) {
      const summary = await summarizeRetrieval(catalog, one);
      const isOver = finalRetrievalStates.includes(summary.status);
      // The catalog tells the rest, also while the server is away.
      if (!isOver) server ??= await findServer(session).catch(() => undefined);
      const steps = isOver || server === undefined ? [] : await pendingReads(server, one);
      await printRetrieval(session, summary, steps);
    }
  } finally {
    await server?.close();
  }
}

async function printStatus(session: Session, setId: string | undefined): Promise<void> {
  const catalog = await session.catalog();
  const wanted =
    setId !== undefined
      ? [await setNamed(catalog, setId)]
      : await unfinishedSets(catalog).then(async (sets) =>
          sets.length > 0 ? sets : (await listSets(catalog)).slice(0, 1),
        );
  if (wanted.length === 0) {
    if (!session.json) session.print('There are no sets yet.');
    return;
  }
  let noServer = 'No server runs: the set goes on with the next `tapeflow up` or `tapeflow backup`.';
  let server: Server | undefined;
  if (wanted.some((set) => !finalSetStates.includes(set.state))) {
    // The catalog tells the rest, also while the server is away.
    server = await findServer(session).catch((error: unknown) => {
      noServer = `${describeError(error)} The set goes on by itself when it does.`;
      return undefined;
    });
  }
  try {
    for (const set of wanted) {
      const summary = await summarizeSet(catalog, set.id);
      const steps = server === undefined ? [] : await pendingSteps(server, set.id);
      const trouble =
        server === undefined || finalSetStates.includes(set.state)
          ? undefined
          : await troubleOf(server, set.id).catch(() => undefined);
      if (session.json) {
        const { stages, reason, failedGroups, stagedBytes, plannedBytes, scanned, leftOut } = summary;
        const { mode, base, unchanged, copies, lostGroups } = summary;
        session.emit({
          ...resultObject(summary),
          mode,
          base,
          unchanged,
          copies,
          lostGroups,
          reason,
          stages,
          failedGroups,
          stagedBytes,
          plannedBytes,
          scanned,
          leftOut,
          ...(await entryListsObject(catalog, set.id)),
          steps,
          trouble: trouble ?? null,
        });
        continue;
      }
      for (const line of statusLines(summary)) session.print(line);
      for (const line of steps.map(stepLine)) if (line !== undefined) session.print(`  now:       ${line}`);
      if (trouble !== undefined) {
        session.print(`  TROUBLE:   the set is unfinished, but ${trouble.finding}.`);
        session.print(`             → ${trouble.advice}`);
      }
      if (server === undefined && !finalSetStates.includes(set.state)) {
        session.print(`  ${noServer}`);
      }
      await printEntryLists(session, catalog, summary);
    }
    // Asked for one set that has ended, the exit code says how.
    const [only] = wanted;
    if (setId !== undefined && only !== undefined && finalSetStates.includes(only.state)) {
      process.exitCode = exitCodeOf(await summarizeSet(catalog, only.id));
    }
  } finally {
    await server?.close();
  }
}

function statusLines(summary: SetSummary): string[] {
  const head = `Set ${summary.setId}: ${summary.status.replaceAll('_', ' ')}${summary.reason === null ? '' : `: ${summary.reason}`}`;
  return [
    head,
    `  sources:   ${summary.sources.join(', ')}`,
    `  mode:      ${modeText(summary.mode, summary.base)}${summary.unchanged === 0 ? '' : `; earlier sets hold ${counted(summary.unchanged, 'unchanged file')}`}`,
    ...(summary.status === 'expired'
      ? [`  on tape:   nothing any more. ${anotherCopy}`]
      : progressLines(summary)),
  ];
}

function onTapeText(summary: SetSummary): string {
  const { archives, files, bytesIn, bytesOut, tapes, lostGroups } = summary;
  if (archives === 0) return lostGroups.length > 0 ? 'nothing any more' : 'nothing yet';
  const where = tapes.join(', ') || (lostGroups.length > 0 ? 'no tape any more' : 'no tape yet');
  return `${counted(archives, 'archive')}, ${counted(files, 'entry', 'entries')}, ${formatBytes(bytesIn)} as ${formatBytes(bytesOut)} on ${where}`;
}

function progressLines(summary: SetSummary): string[] {
  const copies =
    summary.copies.length === 1
      ? []
      : summary.copies.map(
          ({ pool, drive, archives }, index) =>
            `  copy ${index + 1} of ${summary.copies.length}: pool ${pool}, drive ${drive}: ${shownNumber(archives)} of ${counted(summary.groups, 'archive is', 'archives are')} committed`,
        );
  const stages = Object.entries(summary.stages).map(([stage, groups]) => `${shownNumber(groups)} ${stage}`);
  return [
    `  scan:      ${summary.scanned ? 'done' : 'goes on'}, ${counted(summary.groups, 'group')}, ${formatBytes(summary.plannedBytes)}`,
    `  groups:    ${stages.join(', ') || 'none yet'}`,
    `  on tape:   ${onTapeText(summary)}`,
    ...copies,
    `  staging:   ${formatBytes(summary.stagedBytes)} held`,
    `  time:      ${formatSeconds(summary.seconds)}`,
    ...(summary.lostGroups.length === 0
      ? []
      : [
          `  LOST:      ${shownNumber(summary.lostGroups.length)} of ${counted(summary.groups, 'group was', 'groups were')} on lost tapes only: ${numberRanges(summary.lostGroups)}`,
        ]),
    ...summary.leftOut.map((left) => `  left out:  ${left}`),
    ...summary.failedGroups
      .slice(0, 20)
      .map(({ group, reason }) => `  FAILED:    group ${group} at ${reason}`),
    ...(summary.failedGroups.length > 0
      ? [`  \`tapeflow retry ${summary.setId}\` tries the failed groups again.`]
      : []),
  ];
}
