import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';
import { stateWord } from '../../catalog/schema/state-words.js';
import { formatTime } from '../../config/local-time.js';
import { formatBytes } from '../../config/sizes.js';
import { formatSeconds } from '../../config/durations.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { onHost } from '../../entry/host-path.js';
import type { Report, ReportedSet } from '../../operations/report/report.js';
import type { ReportedTree } from '../../operations/report/trees.js';
import type { ReportedTape } from '../../operations/report/tapes.js';

/** A table of a report, for a terminal and for a page. */
export interface ReportTable {
  title: string;
  /** What the columns mean, where their heads do not say it. */
  note: string;
  /** True for one that has figures of its own, and so is shown on a terminal too. */
  isNoteShown?: true;
  /** The columns by their English heads, which are shown in the reader's language. */
  head: readonly string[];
  rows: readonly (readonly (string | number)[])[];
  /** What is said where there are no rows. */
  empty: string;
  /** Columns that a narrow terminal leaves out, in this order. */
  leaveOut: readonly string[];
}

/** The tables of a report. `allSets`: also those that ended well, which are many. */
export function reportTables(report: Report, { allSets }: { allSets: boolean }): ReportTable[] {
  return [
    treeTable(report),
    setTable(report, allSets),
    usedTapes(report),
    poolTable(report),
    copyTable(report),
    expiryTable(report),
    readingTable(report),
  ];
}

const name = ({ host, sources }: Pick<ReportedTree, 'host' | 'sources'>) =>
  sources.map((source) => onHost(host, source)).join(' ');

function treeTable({ trees }: Report): ReportTable {
  return {
    title: t`What is backed up`,
    note: t`SIZE: what the newest complete set found there.
        GROWTH: against the newest one before the period, or the first in it.`,
    head: [
      english`SETS`,
      english`COMPLETE`,
      english`LAST SUCCESS`,
      english`FILES`,
      english`SIZE`,
      english`GROWTH`,
      english`SOURCES`,
    ],
    rows: trees.map((tree) => [
      tree.sets,
      tree.succeeded,
      tree.lastSuccess === null ? t`none` : formatTime(tree.lastSuccess),
      tree.size === null ? '' : formatNumber(tree.size.files),
      tree.size === null ? '' : formatBytes(tree.size.bytes),
      growthText(tree),
      name(tree),
    ]),
    empty: t`There are no sets yet: \`tapeflow backup PATH…\` makes the first.`,
    leaveOut: [english`FILES`, english`COMPLETE`, english`SIZE`],
  };
}

function growthText({ size, formerSize }: ReportedTree): string {
  if (size === null || formerSize === null) return '';
  const bytes = size.bytes - formerSize.bytes;
  return `${bytes < 0 ? '-' : '+'}${formatBytes(Math.abs(bytes))}`;
}

function setTable({ sets }: Report, all: boolean): ReportTable {
  const listed = all ? sets : sets.filter(({ state }) => state !== 'completed' && state !== 'expired');
  return {
    title: all ? t`Sets` : t`Sets that are not simply complete`,
    note: all
      ? t`ON TAPE: bytes of archives, each once. SPEED: bytes written to tape by the seconds of writing.`
      : '',
    head: [
      english`SET`,
      english`STATE`,
      english`STARTED`,
      english`TIME`,
      english`ENTRIES`,
      english`ON TAPE`,
      english`SPEED`,
      english`SOURCES`,
      english`WHY`,
    ],
    rows: listed.map((set) => [
      ...[set.setId, shown(stateWord(set.state)), formatTime(set.startedAt), timeText(set)],
      ...[set.files, formatBytes(set.bytesOut), speedText(set.written, set.writeSeconds)],
      ...[name(set), shown(set.reason ?? '')],
    ]),
    empty: all ? t`No set was at work in the period.` : t`All sets of the period are complete.`,
    leaveOut: [
      english`ENTRIES`,
      english`TIME`,
      english`SPEED`,
      english`ON TAPE`,
      english`STARTED`,
      english`WHY`,
    ],
  };
}

function timeText({ startedAt, endedAt }: ReportedSet): string {
  return endedAt === null ? '' : formatSeconds(Math.max(0, endedAt - startedAt) / 1000);
}

/** Bytes in a second, for people; empty where nothing was measured. */
export function speedText(bytes: number, seconds: number): string {
  return seconds > 0 && bytes > 0 ? `${formatBytes(bytes / seconds)}/s` : '';
}

function usedTapes({ tapes, to }: Report): ReportTable {
  const used = tapes.filter(({ archives }) => archives > 0);
  return {
    title: t`Tapes that were written to`,
    note: t`WRITTEN: what came in the period and is there now. FREE: when the tape was last seen.`,
    head: [
      english`TAPE`,
      english`POOL`,
      english`STATE`,
      english`WRITTEN`,
      english`ARCHIVES`,
      english`FREE`,
      english`KEPT`,
    ],
    rows: used.map((tape) => [
      ...[
        tape.name,
        tape.pool,
        shown(tape.state),
        formatBytes(tape.bytes),
        tape.archives,
        formatBytes(tape.free),
      ],
      tape.isRecyclable ? t`recyclable` : keptText(tape, to),
    ]),
    empty: t`Nothing came to a tape in the period.`,
    leaveOut: [english`ARCHIVES`, english`KEPT`],
  };
}

function keptText({ until, isKeptByCount }: ReportedTape, now: number): string {
  if (isKeptByCount) return t`by count`;
  if (until === Infinity) return t`for ever`;
  return until <= now ? '' : t`until ${formatTime(until)}`;
}

function poolTable({ pools }: Report): ReportTable {
  return {
    title: t`Pools`,
    note: t`NEVER VERIFIED: archives that were never read back. OLDEST PROOF: when the archive was last
      read back, or else written, of which that was longest ago.`,
    head: [
      english`POOL`,
      english`TAPES`,
      english`CAPACITY`,
      english`FREE`,
      english`ARCHIVES`,
      english`NEVER VERIFIED`,
      english`DAMAGED`,
      english`OLDEST PROOF`,
    ],
    rows: pools.map((pool) => [
      ...[pool.pool, pool.tapes, formatBytes(pool.capacity), formatBytes(pool.free), pool.committed],
      ...[pool.neverVerified, pool.damaged],
      pool.oldestProof === null ? '' : formatTime(pool.oldestProof),
    ]),
    empty: t`There are no tapes yet: \`tapeflow tape label NAME --pool POOL\` labels the one in the drive.`,
    leaveOut: [english`OLDEST PROOF`, english`CAPACITY`],
  };
}

function copyTable({ trees }: Report): ReportTable {
  const stored = trees.filter(({ archives, none }) => archives + none > 0);
  const part = (archives: number, bytes: number) =>
    archives === 0 ? t`none` : `${formatNumber(archives)}, ${formatBytes(bytes)}`;
  return {
    title: t`What has one copy only, and what was never verified`,
    note: t`Archives and their bytes. ONE COPY: one good copy exists.
      NO GOOD COPY: all are damaged, or on lost tapes.`,
    head: [
      english`ARCHIVES`,
      english`ONE COPY`,
      english`NEVER VERIFIED`,
      english`NO GOOD COPY`,
      english`SOURCES`,
    ],
    rows: stored.map((tree) => [
      part(tree.archives, tree.bytesOut),
      part(tree.single, tree.singleBytes),
      part(tree.unverified, tree.unverifiedBytes),
      tree.none === 0 ? t`none` : formatNumber(tree.none),
      name(tree),
    ]),
    empty: t`Nothing is on tape.`,
    leaveOut: [],
  };
}

function expiryTable(report: Report): ReportTable {
  const { expiring, expired, keptForEver, from, to } = report;
  const recyclable = report.tapes.filter(({ isRecyclable }) => isRecyclable).map((tape) => tape.name);
  const tapes =
    recyclable.length === 0 ? t` No tape is recyclable.` : t` Recyclable tapes: ${recyclable.join(', ')}.`;
  const kept = t`${formatCount(keptForEver, 'set is', 'sets are')} kept for ever.` + tapes;
  const time = formatSeconds(Math.round((to - from) / 1000));
  return {
    title: t`What expires`,
    note: kept + t` What has expired, and what will within ${time}:`,
    isNoteShown: true,
    head: [english`SET`, english`EXPIRES`, ''],
    rows: [
      ...expired.map(({ setId, at }) => [setId, formatTime(at), t`is over; its tapes have it still`]),
      ...expiring.map(({ setId, at }) => [setId, formatTime(at), '']),
    ],
    empty: kept + t` No set has expired, or will within ${time}.`,
    leaveOut: [],
  };
}

function readingTable({ readings }: Report): ReportTable {
  return {
    title: t`Restores, verifies and copies`,
    note: '',
    head: [english`ID`, english`OF`, english`STATE`, english`STARTED`],
    rows: readings.map(({ id, subject, state, startedAt }) => [
      ...[id, subject, shown(stateWord(state)), formatTime(startedAt)],
    ]),
    empty: t`None began in the period.`,
    leaveOut: [english`STARTED`],
  };
}
