import type {
  UnchangedMember,
  MemberFlag,
  PackedMember,
  PlannedMember,
  SkippedMember,
} from '../../entry/member.js';

/**
 * Members sent between threads: all numbers in one transferred array, and all texts in one string, each terminated by
 * NUL, which no name contains. For millions of members this takes a third of the time of JSON, which itself takes a
 * fraction of a structured clone. Rare fields are sent as JSON.
 */
export interface PlannedMessage {
  numbers: Float64Array;
  texts: string;
  /** `[index in the page, entry][]`: unchanged entries, held by an earlier archive. */
  kept: string;
}

const plannedNumbers = 9;
const plannedTexts = 6;

export function encodePlanned(entries: readonly (PlannedMember | UnchangedMember)[]): PlannedMessage {
  const numbers = new Float64Array(entries.length * plannedNumbers);
  const texts: string[] = [];
  const kept: [number, UnchangedMember][] = [];
  let at = 0;
  for (const [index, entry] of entries.entries()) {
    if ('set' in entry) {
      kept.push([index, entry]);
      continue;
    }
    numbers[at] = entry.size;
    numbers[at + 1] = entry.mtimeS;
    numbers[at + 2] = entry.mtimeNs;
    numbers[at + 3] = entry.mode;
    numbers[at + 4] = entry.uid;
    numbers[at + 5] = entry.gid;
    numbers[at + 6] = entry.nlink;
    numbers[at + 7] = entry.ctime?.[0] ?? NaN;
    numbers[at + 8] = entry.ctime?.[1] ?? 0;
    at += plannedNumbers;
    texts.push(entry.name, entry.type, entry.dev, entry.ino, entry.linkTarget ?? '', entry.hardLinkOf ?? '');
  }
  return { numbers, texts: texts.join('\0'), kept: JSON.stringify(kept) };
}

export function decodePlanned({ numbers, texts, kept }: PlannedMessage): (PlannedMember | UnchangedMember)[] {
  const parts = texts === '' ? [] : texts.split('\0');
  const text = (at: number) => parts[at] ?? '';
  const number = (at: number) => numbers[at] ?? 0;
  const entries: (PlannedMember | UnchangedMember)[] = [];
  for (let i = 0, n = 0; i < parts.length; i += plannedTexts, n += plannedNumbers) {
    entries.push({
      name: text(i),
      type: text(i + 1) as PlannedMember['type'],
      size: number(n),
      mtimeS: number(n + 1),
      mtimeNs: number(n + 2),
      mode: number(n + 3),
      uid: number(n + 4),
      gid: number(n + 5),
      dev: text(i + 2),
      ino: text(i + 3),
      nlink: number(n + 6),
      linkTarget: text(i + 4) || null,
      hardLinkOf: text(i + 5) || null,
      ctime: Number.isNaN(number(n + 7)) ? undefined : [number(n + 7), number(n + 8)],
    });
  }
  const held = JSON.parse(kept) as [number, UnchangedMember][];
  return held.length === 0 ? entries : withKept(entries, new Map(held));
}

/** Puts unchanged entries back in their places. */
function withKept(
  entries: readonly (PlannedMember | UnchangedMember)[],
  kept: ReadonlyMap<number, UnchangedMember>,
): (PlannedMember | UnchangedMember)[] {
  const whole: (PlannedMember | UnchangedMember)[] = [];
  let next = 0;
  for (let index = 0; index < entries.length + kept.size; index += 1) {
    const entry = kept.get(index) ?? entries[next++];
    if (entry !== undefined) whole.push(entry);
  }
  return whole;
}

export interface PackedBatch {
  packed: PackedMember[];
  skipped: SkippedMember[];
}

export interface PackedMessage {
  numbers: Float64Array;
  texts: string;
  skipped: string;
}

const packedNumbers = 9;
const packedTexts = 8;

export function encodePacked({ packed, skipped }: PackedBatch): PackedMessage {
  const numbers = new Float64Array(packed.length * packedNumbers);
  const texts: string[] = [];
  let at = 0;
  for (const member of packed) {
    numbers[at] = member.size;
    numbers[at + 1] = member.mtimeS;
    numbers[at + 2] = member.mtimeNs;
    numbers[at + 3] = member.mode;
    numbers[at + 4] = member.uid;
    numbers[at + 5] = member.gid;
    numbers[at + 6] = member.nlink;
    numbers[at + 7] = member.offset;
    numbers[at + 8] = member.contentOffset ?? -1;
    at += packedNumbers;
    const { name, type, dev, ino, linkTarget, hardLinkOf, sha256, flags } = member;
    texts.push(name, type, dev, ino, linkTarget ?? '', hardLinkOf ?? '', sha256 ?? '');
    texts.push(flags.length === 0 ? '' : flags.join(' '));
  }
  return { numbers, texts: texts.join('\0'), skipped: JSON.stringify(skipped) };
}

export function decodePacked({ numbers, texts, skipped }: PackedMessage): PackedBatch {
  const parts = texts === '' ? [] : texts.split('\0');
  const text = (at: number) => parts[at] ?? '';
  const number = (at: number) => numbers[at] ?? 0;
  const packed: PackedMember[] = [];
  for (let i = 0, n = 0; i < parts.length; i += packedTexts, n += packedNumbers) {
    const contentOffset = number(n + 8);
    const flags = text(i + 7);
    packed.push({
      name: text(i),
      type: text(i + 1) as PackedMember['type'],
      size: number(n),
      mtimeS: number(n + 1),
      mtimeNs: number(n + 2),
      mode: number(n + 3),
      uid: number(n + 4),
      gid: number(n + 5),
      dev: text(i + 2),
      ino: text(i + 3),
      nlink: number(n + 6),
      linkTarget: text(i + 4) || null,
      hardLinkOf: text(i + 5) || null,
      sha256: text(i + 6) || null,
      offset: number(n + 7),
      contentOffset: contentOffset === -1 ? null : contentOffset,
      flags: flags === '' ? [] : (flags.split(' ') as MemberFlag[]),
    });
  }
  return { packed, skipped: JSON.parse(skipped) as SkippedMember[] };
}
