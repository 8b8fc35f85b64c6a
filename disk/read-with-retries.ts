import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../config/failures.js';

/** Reads into a buffer from a position of a file; resolves to the bytes read, fewer than asked for or 0 at its end. */
export type ReadAt = (into: Buffer, position: number) => number | Promise<number>;

/** A range of unreadable bytes, relative to where the read began; `to` is exclusive. */
export interface Hole {
  from: number;
  to: number;
}

export interface RetriedRead {
  /** Bytes up to the end of the file, including holes, where the buffer holds zeros. */
  bytes: number;
  holes: Hole[];
}

/** Error codes for bytes that a medium cannot return; any other code concerns more than these bytes. */
const ofTheMedium = new Set(['EIO', 'ENODATA', 'EREMOTEIO', 'EILSEQ', 'EBADMSG', 'EUCLEAN']);
/** How often the same read is retried before it is split into smaller ones. */
const sameAgain = 2;
/** Milliseconds before each retry: a drive that was disturbed may have settled. */
const pauseMs = 100;
/** Smallest read: a page. */
const minBytes = 4096;
/** Failed reads after which everything still unread counts as a hole: on a drive each can take half a minute. */
const maxFailures = 64;

/** True for a read error that need not affect other bytes of the same file. */
export function isMediumReadError(error: unknown): boolean {
  return ofTheMedium.has(systemErrorCode(error) ?? '');
}

/**
 * Reads some bytes and retries what could not be read: the same range again, then ever smaller parts down to 4 KiB, so
 * that only the hole in the medium is lost and nothing around it. Throws errors that concern more than these bytes.
 *
 * @param tear stop at the first hole: the bytes are useless unless complete.
 */
export async function readWithRetries(
  read: ReadAt,
  into: Buffer,
  position: number,
  { tear = false }: { tear?: boolean } = {},
): Promise<RetriedRead> {
  for (let again = 0; ; again += 1) {
    try {
      return { bytes: await readFull(read, into, position), holes: [] };
    } catch (error) {
      if (!isMediumReadError(error)) throw error;
    }
    if (again === sameAgain) break;
    await sleep(pauseMs);
  }
  return readParts(read, into, position, tear);
}

/** Splits what failed level by level, so that all holes are narrowed down evenly. */
async function readParts(read: ReadAt, into: Buffer, position: number, tear: boolean): Promise<RetriedRead> {
  const holes: Hole[] = [];
  let end = into.length;
  let failures = 0;
  const doubtful: Hole[] = halves({ from: 0, to: into.length }, position);
  for (let part = doubtful.shift(); part !== undefined; part = doubtful.shift()) {
    const { from, to } = part;
    if (from >= end) continue;
    const isLeast = to - from <= minBytes;
    try {
      if (failures > maxFailures) throw Object.assign(new Error('not tried'), { code: 'EIO' });
      const bytes = await readFull(read, into.subarray(from, to), position + from);
      if (bytes < to - from) end = Math.min(end, from + bytes);
    } catch (error) {
      if (!isMediumReadError(error)) throw error;
      failures += 1;
      if (!isLeast && failures <= maxFailures) doubtful.push(...halves(part, position));
      else {
        into.fill(0, from, to);
        holes.push(part);
        if (tear) return { bytes: end, holes };
      }
    }
  }
  return { bytes: end, holes: joined(holes, end) };
}

/** Both halves of a range, cut at a page of the file. */
function halves({ from, to }: Hole, position: number): Hole[] {
  const middle = position + (from + to) / 2;
  const cut = Math.round(middle / minBytes) * minBytes - position;
  return cut > from && cut < to
    ? [
        { from, to: cut },
        { from: cut, to },
      ]
    : [{ from, to }];
}

function joined(holes: readonly Hole[], end: number): Hole[] {
  const all: Hole[] = [];
  for (const { from, to } of [...holes].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last !== undefined && last.to === from) last.to = Math.min(to, end);
    else if (from < end) all.push({ from, to: Math.min(to, end) });
  }
  return all;
}

async function readFull(read: ReadAt, into: Buffer, position: number): Promise<number> {
  let have = 0;
  while (have < into.length) {
    const bytes = await read(into.subarray(have), position + have);
    if (bytes === 0) break;
    have += bytes;
  }
  return have;
}
