import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { generationAt, isBefore } from './generation.js';

const headerBytes = 100;

const logHeaderBytes = 32;

const frameHeaderBytes = 24;

/** Maximum number of frames searched for a log's first change of the first page, which is in its first commit. */
const maxFramesRead = 2000;

/**
 * Checks that a catalog and the log beside it belong together: the log's first commit follows one that the file has,
 * and the file has none that the log lacks. Otherwise an older copy of one of them was put back, and SQLite, which
 * compares nothing, would combine both into a damaged catalog. Reads only a few bytes and may run beside writers.
 * Throws `CatalogMixed`.
 */
export function requireOwnLog(file: string): void {
  const log = readLog(`${file}-wal`);
  if (log?.first === undefined) return;
  const inFile = generationInFile(file);
  if (inFile === undefined) return;
  // The log's first commit follows what the file contained then; since then the file may have received more of the log.
  if (isBefore(inFile, log.first - 1))
    throw mixed(file, inFile, english`begins behind change ${log.first - 1}`);
  if (!isBefore(log.first, inFile)) return;
  const last = log.newest(inFile);
  // A log that was restarted meanwhile belongs to a live writer.
  if (last === undefined || !isBefore(last, inFile) || readLog(`${file}-wal`)?.salts !== log.salts) return;
  throw mixed(file, inFile, english`ends with change ${last}`);
}

function mixed(file: string, inFile: number, log: string): TapeflowFailure {
  return new TapeflowFailure(
    'CatalogMixed',
    english`The catalog ${file} and the log of its changes ${file}-wal are not
      of the same time: the file is at change ${inFile}, and the log ${log}. An
      older copy was put in place of one of them.`,
    {
      advice: english`Nothing was changed. \`tapeflow catalog restore FILE\` puts a copy back as it
          should be, and \`tapeflow tape catalog\` reads from the tapes what is newer.`,
    },
  );
}

/** The number of the newest commit in a catalog's main file; undefined if it is not an SQLite file. */
export function generationInFile(file: string): number | undefined {
  const header = readAt(file, 0, headerBytes);
  if (header?.length !== headerBytes || header.toString('latin1', 0, 15) !== 'SQLite format 3')
    return undefined;
  return header.readInt32BE(generationAt);
}

interface Log {
  /** They identify its current use: SQLite reuses a log from the beginning. */
  salts: string;
  /** Number of the first commit in it; undefined when it cannot be determined. */
  first: number | undefined;
  /** Number of its newest commit, or of one not before `known`; undefined when there is none. */
  newest(known: number): number | undefined;
}

/** A log that contains commits; otherwise undefined. */
function readLog(file: string): Log | undefined {
  const header = readAt(file, 0, logHeaderBytes);
  if (header?.length !== logHeaderBytes) return undefined;
  const salts = header.toString('hex', 16, 24);
  const frameBytes = frameHeaderBytes + header.readUInt32BE(8);
  const at = (frame: number, fd: number): number | undefined => {
    const bytes = Buffer.alloc(frameHeaderBytes + generationAt + 4);
    if (readSync(fd, bytes, 0, bytes.length, logHeaderBytes + frame * frameBytes) < bytes.length)
      return undefined;
    if (bytes.toString('hex', 8, 16) !== salts || bytes.readUInt32BE(0) !== 1) return undefined;
    return bytes.readInt32BE(frameHeaderBytes + generationAt);
  };
  const search = (from: (frames: number) => Iterable<number>, isFound: (generation: number) => boolean) => {
    const fd = openedForReading(file);
    if (fd === undefined) return undefined;
    try {
      let found: number | undefined;
      for (const frame of from(Math.floor((fstatSync(fd).size - logHeaderBytes) / frameBytes))) {
        const generation = at(frame, fd);
        if (generation === undefined) continue;
        found ??= generation;
        if (isFound(generation)) return generation;
      }
      return found;
    } finally {
      closeSync(fd);
    }
  };
  return {
    salts,
    first: search(
      (frames) => upTo(Math.min(frames, maxFramesRead)),
      () => true,
    ),
    newest: (known) => search(downFrom, (generation) => !isBefore(generation, known)),
  };
}

function* upTo(count: number): Generator<number> {
  for (let number = 0; number < count; number += 1) yield number;
}

function* downFrom(count: number): Generator<number> {
  for (let number = count - 1; number >= 0; number -= 1) yield number;
}

/** Bytes of a file, fewer at its end; undefined if it does not exist. */
function readAt(file: string, at: number, length: number): Buffer | undefined {
  const fd = openedForReading(file);
  if (fd === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
  } finally {
    closeSync(fd);
  }
}

function openedForReading(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch {
    return undefined;
  }
}
