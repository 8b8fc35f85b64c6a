import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../config/failures.js';

/** Reads into a buffer from a position of a file; resolves to the bytes read, fewer than asked for or 0 at its end. */
export type ReadAt = (into: Buffer, position: number) => number | Promise<number>;

/** Bytes that cannot be read, counted from where the reading began; `to` is the first behind them. */
export interface Hole {
  from: number;
  to: number;
}

export interface ReadAgain {
  /** Up to the end of the file, holes included, where the buffer holds zeros. */
  bytes: number;
  holes: Hole[];
}

/**
 * What a system says of bytes that a medium does not give back; whatever else it says concerns more than these bytes.
 */
const ofTheMedium = new Set(['EIO', 'ENODATA', 'EREMOTEIO', 'EILSEQ', 'EBADMSG', 'EUCLEAN']);
/** Times that the same read is tried again before it is cut into smaller ones. */
const sameAgain = 2;
/** Milliseconds before each of them: a drive that was disturbed may have come to rest. */
const pauseMs = 100;
/** Smallest read: a page. */
const leastBytes = 4096;
/** Failing reads after which what is still in doubt counts as a hole: on a drive each can take half a minute. */
const mostFailures = 64;

/** True for an error of a read that other bytes of the same file need not meet. */
export function isOfTheMedium(error: unknown): boolean {
  return ofTheMedium.has(systemErrorCode(error) ?? '');
}

/**
 * Reads some bytes, and again what could not be read: the same once more, then in ever smaller parts, down to 4 KiB, so
 * that what is lost in the end is the hole in the medium and nothing around it. Throws errors that concern more than
 * these bytes.
 *
 * @param tear stop at the first hole: the bytes are of no use unless all are there.
 */
export async function readAgain(
  read: ReadAt,
  into: Buffer,
  position: number,
  { tear = false }: { tear?: boolean } = {},
): Promise<ReadAgain> {
  for (let again = 0; ; again += 1) {
    try {
      return { bytes: await readFull(read, into, position), holes: [] };
    } catch (error) {
      if (!isOfTheMedium(error)) throw error;
    }
    if (again === sameAgain) break;
    await sleep(pauseMs);
  }
  return readParts(read, into, position, tear);
}

/**
 * Level by level, the halves of what failed: so the edges of every hole are found before any of them is found exactly.
 */
async function readParts(read: ReadAt, into: Buffer, position: number, tear: boolean): Promise<ReadAgain> {
  const holes: Hole[] = [];
  let end = into.length;
  let failures = 0;
  const doubtful: Hole[] = halves({ from: 0, to: into.length }, position);
  for (let part = doubtful.shift(); part !== undefined; part = doubtful.shift()) {
    const { from, to } = part;
    if (from >= end) continue;
    const isLeast = to - from <= leastBytes;
    try {
      if (failures > mostFailures) throw Object.assign(new Error('not tried'), { code: 'EIO' });
      const bytes = await readFull(read, into.subarray(from, to), position + from);
      if (bytes < to - from) end = Math.min(end, from + bytes);
    } catch (error) {
      if (!isOfTheMedium(error)) throw error;
      failures += 1;
      if (!isLeast && failures <= mostFailures) doubtful.push(...halves(part, position));
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
  const cut = Math.round(middle / leastBytes) * leastBytes - position;
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
