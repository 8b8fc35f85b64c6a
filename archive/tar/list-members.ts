import { createHash } from 'node:crypto';
import { ArchiveDamaged } from '../readers/archive-file.js';
import { displayName } from '../../entry/byte-string.js';
import type { ForwardSource } from '../readers/forward-source.js';
import { paddedBytes } from './tar-records.js';
import { clampSeconds } from '../../entry/file-time.js';
import type { LineSpool } from '../manifest/line-spool.js';
import { memberLine, skippedLine } from '../manifest/manifest.js';
import { unsafeNameReason } from '../../entry/member-name.js';
import { storedBytes, type PackedMember } from '../../entry/member.js';
import { english } from '../../messages/sentence.js';
import { nextMemberStart, type MemberStart } from './next-member.js';
import { readEntry, type TarEntry } from './tar-entry.js';

export interface ListedMembers {
  members: number;
  skipped: number;
  /** Bytes of file content, as it is stored. */
  bytesIn: number;
  /** Uncompressed bytes of the archive, as far as it was read. */
  tarBytes: number;
  /** What of it is lost, as a sentence without its subject; undefined when it is intact. */
  damage: string | undefined;
}

/** A sequence of members without a gap. */
interface Chain extends Omit<ListedMembers, 'damage'> {
  isSure: boolean;
  first: string | undefined;
  last: string | undefined;
  /** `end`: the archive's end. `damage`: what follows cannot be read. `false`: it cannot be part of the archive. */
  end: 'end' | 'damage' | 'false';
  why: string;
  /** Where a member ends whose headers were read but whose content could not be read to its end. */
  expected: number | undefined;
  /** Its lines in the spool, which has none of the first chain. */
  lines: { from: number; to: number };
}

/** The chain does not belong to the archive: it is inside a file that is itself an archive. */
class FalseChain extends ArchiveDamaged {}

/**
 * Writes a line for each intact member: from the beginning to the first damage, and after any damage from the next
 * member found. A member found by searching may be inside a file that is itself an archive, so a chain counts only if
 * it begins directly after a known member, or ascends by name to the archive's true end, or fits by name between the
 * chains that count before and after it.
 */
export async function listMembers(
  source: ForwardSource,
  write: (line: string) => Promise<void>,
  spool: LineSpool,
): Promise<ListedMembers> {
  const chains: Chain[] = [];
  let lower: string | undefined;
  for (let start: MemberStart | undefined = { offset: 0, isSure: true }; start !== undefined;) {
    const isFirst = chains.length === 0;
    const put = isFirst ? write : (line: string) => Promise.resolve(spool.add(line));
    const begin = spool.bytes;
    const chain: Chain = await walk(source, start, isFirst ? undefined : (lower ?? ''), put);
    chain.lines = { from: begin, to: spool.bytes };
    chains.push(chain);
    if (chain.isSure) lower = chain.last ?? lower;
    if (chain.end === 'end') break;
    start = await nextMemberStart(source, chain, lower ?? '');
  }
  const counted = chains.filter((chain) => countsOf(chains).has(chain));
  for (const { lines } of counted) for (const line of spool.lines(lines)) await write(line);
  const sum = (of: (chain: Chain) => number) => counted.reduce((all, chain) => all + of(chain), 0);
  return {
    members: sum((chain) => chain.members),
    skipped: sum((chain) => chain.skipped),
    bytesIn: sum((chain) => chain.bytesIn),
    tarBytes: chains.at(-1)?.tarBytes ?? 0,
    damage: chains[0]?.end === 'end' ? undefined : damageText(chains, counted),
  };
}

/** The chains that count, decided from the archive's end on. */
function countsOf(chains: readonly Chain[]): Set<Chain> {
  const counted = new Set<Chain>();
  let upper: string | undefined;
  for (const chain of [...chains].reverse()) {
    const { first, last, end } = chain;
    const isBelow = upper !== undefined && last !== undefined && last < upper;
    const counts = chain === chains[0] || end === 'end' || (end === 'damage' && (chain.isSure || isBelow));
    if (!counts) continue;
    counted.add(chain);
    upper = first ?? upper;
  }
  return counted;
}

function damageText(chains: readonly Chain[], counted: readonly Chain[]): string {
  const [damage] = chains.filter(({ end }) => end === 'damage');
  const named = counted.filter(({ last }) => last !== undefined);
  const lost: string[] = [];
  let last: string | undefined;
  for (const chain of named) {
    const next = `/${displayName(chain.first ?? '')}`;
    if (last !== undefined) lost.push(english`what lies between /${displayName(last)} and ${next} is lost`);
    else if (chain !== chains[0]) lost.push(english`what comes before ${next} is lost`);
    last = chain.last;
  }
  if (last === undefined) lost.push(english`nothing of it is there`);
  else if (counted.at(-1)?.end !== 'end' || named.at(-1) !== counted.at(-1))
    lost.push(english`what comes after /${displayName(last)} is lost`);
  const shown = lost.slice(0, 20);
  if (lost.length > shown.length) shown.push(english`and so at ${lost.length - shown.length} more places`);
  return english`is damaged (${damage?.why ?? chains[0]?.why ?? ''}): ${shown.join(', ')}`;
}

/**
 * Writes the lines of a chain.
 *
 * @param lower its names must ascend from this one; undefined for the first chain, which needs no proof.
 */
async function walk(
  source: ForwardSource,
  { offset, isSure }: MemberStart,
  lower: string | undefined,
  write: (line: string) => Promise<void>,
): Promise<Chain> {
  const chain: Chain = {
    ...{ isSure, members: 0, skipped: 0, bytesIn: 0, tarBytes: offset, first: undefined, last: undefined },
    ...{ end: 'end', why: '', expected: undefined, lines: { from: 0, to: 0 } },
  };
  /** The last member's line and size: a file that follows itself takes its place, see docs/format.md. */
  let pending = { line: '', bytes: 0 };
  try {
    for (;;) {
      const entry = await readEntry(source, chain.tarBytes);
      if (entry === undefined) break;
      const again = entry.name === chain.last && entry.type === 'file';
      if (lower !== undefined && !again && entry.name <= (chain.last ?? lower))
        throw new FalseChain(english`names that do not ascend`);
      chain.expected = entry.contentOffset + paddedBytes(storedBytes(entry));
      const line = await lineOf(source, entry, chain);
      if (again) {
        chain.members -= 1;
        chain.bytesIn -= pending.bytes;
      } else if (pending.line !== '') await write(pending.line);
      pending = { line, bytes: entry.type === 'file' ? storedBytes(entry) : 0 };
      chain.bytesIn += pending.bytes;
      chain.tarBytes = chain.expected;
      chain.expected = undefined;
      chain.first ??= entry.name;
      chain.last = entry.name;
    }
    await readToEnd(source, chain, lower !== undefined);
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    chain.end = error instanceof FalseChain ? 'false' : 'damage';
    chain.why = error.message;
  }
  if (pending.line !== '') await write(pending.line);
  return chain;
}

/** A member's line, if its content is intact. */
async function lineOf(source: ForwardSource, entry: TarEntry, chain: Chain): Promise<string> {
  const sha256 = await contentHash(source, entry);
  const why = entry.type === 'other' ? english`is of a type that is not kept` : unsafeNameReason(entry.name);
  if (why === undefined) {
    chain.members += 1;
    return memberLine(memberOf(entry, sha256));
  }
  chain.skipped += 1;
  return skippedLine({ name: entry.name, reason: english`in the archive, but its name or type ${why}` });
}

/** Two zero records end an archive; one truncated between two members lacks them. */
async function readToEnd(source: ForwardSource, chain: Chain, mustBeTrue: boolean): Promise<void> {
  if ((await source.chunkAt(chain.tarBytes)) === undefined)
    throw new ArchiveDamaged(english`it ends after ${chain.tarBytes} bytes without an archive's end`);
  for (let chunk; (chunk = await source.chunkAt(chain.tarBytes)) !== undefined;) {
    const rest = chunk.data.subarray(chain.tarBytes - chunk.start);
    if (mustBeTrue && rest.some((byte) => byte !== 0))
      throw new FalseChain(english`an archive's end inside of it`);
    chain.tarBytes = chunk.start + chunk.data.length;
  }
}

/** SHA-256 of an entry's content in hex, as it is stored; null if it is not a file. Reads it to its end. */
async function contentHash(source: ForwardSource, entry: TarEntry): Promise<string | null> {
  const hash = createHash('sha256');
  const end = entry.contentOffset + storedBytes(entry);
  for (let at = entry.contentOffset; at < end;) {
    const chunk = await source.chunkAt(at);
    if (chunk === undefined) throw new ArchiveDamaged(english`it ends inside a file`);
    const part = chunk.data.subarray(at - chunk.start, end - chunk.start);
    hash.update(part);
    at += part.length;
  }
  return entry.type === 'file' ? hash.digest('hex') : null;
}

function memberOf(entry: TarEntry, sha256: string | null): PackedMember {
  const { name, size, storedSize, linkTarget, device, offset, contentOffset } = entry;
  const type = entry.type === 'other' ? 'file' : entry.type;
  return {
    ...{ name, type, size, linkTarget, sha256, offset },
    ...(storedSize === undefined ? {} : { storedSize }),
    ...(device === undefined ? {} : { device: device.map(whole) as [number, number] }),
    ...(entry.attributes === undefined ? {} : { attributes: entry.attributes }),
    mtimeS: clampSeconds(whole(entry.mtimeS)),
    mtimeNs: whole(entry.mtimeNs),
    mode: Math.max(0, whole(entry.mode)),
    uid: Math.max(0, whole(entry.uid)),
    gid: Math.max(0, whole(entry.gid)),
    dev: '0',
    ino: '0',
    nlink: 1,
    hardLinkOf: null,
    contentOffset: type === 'file' ? contentOffset : null,
    flags: [],
  };
}

/** Sanitises a number of a possibly forged header. */
function whole(value: number): number {
  return Number.isSafeInteger(value) ? value : 0;
}
