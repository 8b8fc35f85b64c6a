import type { ArchiveReport } from '../../operations/rebuild/import-tape-archive.js';
import type { TapeImport, WorkerTapeImport } from '../../operations/rebuild/import-tape.js';
import { formatCount } from '../../config/counts.js';
import { english } from '../../messages/sentence.js';

/**
 * Maximum bytes of each list as JSON. A Temporal server accepts 2 MiB for a whole result, and a tape may have any
 * number of archives, folders and faults, with paths of any length.
 */
const maxBytes = { sets: 400_000, troubles: 300_000, said: 300_000, reports: 900_000 } as const;

/** What reading a tape has found, as much of it as one message holds; `said` ends with what was left out. */
export function inOneMessage(
  reading: TapeImport,
  said: readonly string[],
  reports: readonly ArchiveReport[],
): WorkerTapeImport {
  const sets = firstThatFit(reading.sets, maxBytes.sets);
  const troubles = firstThatFit(reading.troubles, maxBytes.troubles);
  const sentences = firstThatFit(said, maxBytes.said);
  const kept = reportsThatFit(reports);
  const left = (all: readonly unknown[], some: readonly unknown[], count: (number: number) => string) =>
    all.length === some.length
      ? []
      : [english`${count(all.length - some.length)} than one message of the worker can tell of.`];
  return {
    ...reading,
    sets,
    troubles,
    said: [
      ...sentences,
      ...left(said, sentences, (number) =>
        formatCount(number, 'more sentence was said', 'more sentences were said'),
      ),
      ...left(reading.troubles, troubles, (number) =>
        formatCount(number, 'more fault was found', 'more faults were found'),
      ),
      ...left(reading.sets, sets, (number) =>
        formatCount(number, 'more set was read', 'more sets were read'),
      ),
    ],
    reports: kept,
    more: reports.length - kept.length,
  };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1;
}

function firstThatFit<Item>(items: readonly Item[], most: number): Item[] {
  let left = most;
  const end = items.findIndex((item) => (left -= bytesOf(item)) < 0);
  return end < 0 ? [...items] : items.slice(0, end);
}

/** All reports, or those with problems first, in order. */
function reportsThatFit(reports: readonly ArchiveReport[]): ArchiveReport[] {
  const chosen = new Set<ArchiveReport>();
  let left: number = maxBytes.reports;
  for (const isBad of [true, false])
    for (const report of reports) {
      if ((report.trouble !== null) !== isBad) continue;
      left -= bytesOf(report);
      if (left < 0) return reports.filter((one) => chosen.has(one));
      chosen.add(report);
    }
  return [...reports];
}
