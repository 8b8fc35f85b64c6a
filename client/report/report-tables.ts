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
    title: 'What is backed up',
    note:
      'SIZE: what the newest complete set found there. ' +
      'GROWTH: against the newest one before the period, or the first in it.',
    head: ['SETS', 'COMPLETE', 'LAST SUCCESS', 'FILES', 'SIZE', 'GROWTH', 'SOURCES'],
    rows: trees.map((tree) => [
      tree.sets,
      tree.succeeded,
      tree.lastSuccess === null ? 'none' : formatTime(tree.lastSuccess),
      tree.size === null ? '' : formatNumber(tree.size.files),
      tree.size === null ? '' : formatBytes(tree.size.bytes),
      growthText(tree),
      name(tree),
    ]),
    empty: 'There are no sets yet: `tapeflow backup PATH…` makes the first.',
    leaveOut: ['FILES', 'COMPLETE', 'SIZE'],
  };
}

function growthText({ size, formerSize }: ReportedTree): string {
  if (size === null || formerSize === null) return '';
  const bytes = size.bytes - formerSize.bytes;
  return `${bytes < 0 ? '-' : '+'}${formatBytes(Math.abs(bytes))}`;
}

function setTable({ sets }: Report, all: boolean): ReportTable {
  const shown = all ? sets : sets.filter(({ state }) => state !== 'completed' && state !== 'expired');
  return {
    title: all ? 'Sets' : 'Sets that are not simply complete',
    note: all
      ? 'ON TAPE: bytes of archives, each once. SPEED: bytes written to tape by the seconds of writing.'
      : '',
    head: ['SET', 'STATE', 'STARTED', 'TIME', 'ENTRIES', 'ON TAPE', 'SPEED', 'SOURCES', 'WHY'],
    rows: shown.map((set) => [
      ...[set.setId, stateWord(set.state), formatTime(set.startedAt), timeText(set)],
      ...[set.files, formatBytes(set.bytesOut), speedText(set.written, set.writeSeconds)],
      ...[name(set), set.reason ?? ''],
    ]),
    empty: all ? 'No set was at work in the period.' : 'All sets of the period are complete.',
    leaveOut: ['ENTRIES', 'TIME', 'SPEED', 'ON TAPE', 'STARTED', 'WHY'],
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
    title: 'Tapes that were written to',
    note: 'WRITTEN: what came in the period and is there now. FREE: when the tape was last seen.',
    head: ['TAPE', 'POOL', 'STATE', 'WRITTEN', 'ARCHIVES', 'FREE', 'KEPT'],
    rows: used.map((tape) => [
      ...[tape.name, tape.pool, tape.state, formatBytes(tape.bytes), tape.archives, formatBytes(tape.free)],
      tape.isRecyclable ? 'recyclable' : keptText(tape, to),
    ]),
    empty: 'Nothing came to a tape in the period.',
    leaveOut: ['ARCHIVES', 'KEPT'],
  };
}

function keptText({ until, isKeptByCount }: ReportedTape, now: number): string {
  if (isKeptByCount) return 'by count';
  if (until === Infinity) return 'for ever';
  return until <= now ? '' : `until ${formatTime(until)}`;
}

function poolTable({ pools }: Report): ReportTable {
  return {
    title: 'Pools',
    note:
      'NEVER VERIFIED: archives that were never read back. OLDEST PROOF: when the archive was last ' +
      'read back, or else written, of which that was longest ago.',
    head: ['POOL', 'TAPES', 'CAPACITY', 'FREE', 'ARCHIVES', 'NEVER VERIFIED', 'DAMAGED', 'OLDEST PROOF'],
    rows: pools.map((pool) => [
      ...[pool.pool, pool.tapes, formatBytes(pool.capacity), formatBytes(pool.free), pool.committed],
      ...[pool.neverVerified, pool.damaged],
      pool.oldestProof === null ? '' : formatTime(pool.oldestProof),
    ]),
    empty: 'There are no tapes yet: `tapeflow tape label NAME --pool POOL` labels the one in the drive.',
    leaveOut: ['OLDEST PROOF', 'CAPACITY'],
  };
}

function copyTable({ trees }: Report): ReportTable {
  const stored = trees.filter(({ archives, none }) => archives + none > 0);
  const part = (archives: number, bytes: number) =>
    archives === 0 ? 'none' : `${formatNumber(archives)}, ${formatBytes(bytes)}`;
  return {
    title: 'What has one copy only, and what was never verified',
    note: 'Archives and their bytes. ONE COPY: one good copy exists. NO GOOD COPY: all are damaged, or on lost tapes.',
    head: ['ARCHIVES', 'ONE COPY', 'NEVER VERIFIED', 'NO GOOD COPY', 'SOURCES'],
    rows: stored.map((tree) => [
      part(tree.archives, tree.bytesOut),
      part(tree.single, tree.singleBytes),
      part(tree.unverified, tree.unverifiedBytes),
      tree.none === 0 ? 'none' : formatNumber(tree.none),
      name(tree),
    ]),
    empty: 'Nothing is on tape.',
    leaveOut: [],
  };
}

function expiryTable(report: Report): ReportTable {
  const { expiring, expired, keptForEver, from, to } = report;
  const recyclable = report.tapes.filter(({ isRecyclable }) => isRecyclable).map((tape) => tape.name);
  const tapes =
    recyclable.length === 0 ? 'No tape is recyclable.' : `Recyclable tapes: ${recyclable.join(', ')}.`;
  const kept = `${formatCount(keptForEver, 'set is', 'sets are')} kept for ever. ${tapes}`;
  const within = `within ${formatSeconds(Math.round((to - from) / 1000))}`;
  return {
    title: 'What expires',
    note: `${kept} What has expired, and what will ${within}:`,
    isNoteShown: true,
    head: ['SET', 'EXPIRES', ''],
    rows: [
      ...expired.map(({ setId, at }) => [setId, formatTime(at), 'is over; its tapes have it still']),
      ...expiring.map(({ setId, at }) => [setId, formatTime(at), '']),
    ],
    empty: `${kept} No set has expired, or will ${within}.`,
    leaveOut: [],
  };
}

function readingTable({ readings }: Report): ReportTable {
  return {
    title: 'Restores, verifies and copies',
    note: '',
    head: ['ID', 'OF', 'STATE', 'STARTED'],
    rows: readings.map(({ id, subject, state, startedAt }) => [
      ...[id, subject, stateWord(state), formatTime(startedAt)],
    ]),
    empty: 'None began in the period.',
    leaveOut: ['STARTED'],
  };
}
