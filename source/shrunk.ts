import type { FormerHoldings, Holding } from '../catalog/sets/holdings.js';
import { formatCount } from '../config/counts.js';
import { TapeflowFailure } from '../config/failures.js';
import { formatBytes } from '../config/sizes.js';
import { english } from '../messages/sentence.js';
import type { WalkedEntry } from './walked-entry.js';

/** A source that has less than this part of what it had looks like another one, such as an empty mount point. */
const leastPart = 10;
/**
 * Up to so many files the bytes count too: of a few large images or dumps, all may be cut short without one missing.
 * Among more files, one large one that comes and goes says nothing of the others; and where it lies could be known
 * only after a look at all of them.
 */
const mostFilesByBytes = 10_000;
/** Bytes that a source must have had for them to count: below, one log that is rotated would be an alarm. */
const leastBytes = 100 * 1024 ** 2;

/** What a source must hold at least not to count as shrunk. */
export interface Least extends Holding {
  /** The set and its holding from which that follows. */
  former: Holding & { setId: string };
}

/** What a source holds that is too little. */
export interface Shrunk {
  source: string;
  holds: Holding;
  former: Least['former'];
}

/**
 * The least that each source must hold, by its place: at least one file where there was any, and a tenth of what the
 * newest set with the same excludes found. With other excludes less may be meant, but hardly nothing at all.
 */
export function leastOf(formers: readonly FormerHoldings[], place: number): Least[] {
  const found: Least[] = [];
  for (const { setId, sameSelection, holdings } of formers) {
    const { files, bytes } = holdings[place] ?? { files: 0, bytes: 0 };
    if (files === 0) continue;
    const former = { setId, files, bytes };
    const byBytes = sameSelection && files <= mostFilesByBytes && bytes >= leastBytes;
    found.push({
      former,
      files: sameSelection ? Math.ceil(files / leastPart) : 1,
      bytes: byBytes ? Math.ceil(bytes / leastPart) : 0,
    });
  }
  return found;
}

/** Looks into a source until it has enough; so it costs a tenth of a scan. */
export class Sounding {
  private readonly holds: Holding = { files: 0, bytes: 0 };

  constructor(
    private readonly source: string,
    private readonly least: readonly Least[],
  ) {}

  /** Counts an entry; true when it need not look further. */
  count(entry: WalkedEntry): boolean {
    addTo(this.holds, entry);
    return this.lacking() === undefined;
  }

  /** What is too little after the last entry; undefined when it is enough. */
  shrunk(): Shrunk | undefined {
    const lacking = this.lacking();
    return lacking && { source: this.source, holds: this.holds, former: lacking.former };
  }

  private lacking(): Least | undefined {
    const { files, bytes } = this.holds;
    return this.least.find(
      (least) => files < least.files || (bytes < least.bytes && files <= mostFilesByBytes),
    );
  }
}

/** Counts an entry of a source. */
export function addTo(holding: Holding, { type, stats, skipped }: WalkedEntry): void {
  if (type === 'directory') return;
  holding.files += 1;
  if (type === 'file' && skipped === null) holding.bytes += stats?.size ?? 0;
}

/** The refusal of a set with such sources. */
export function shrunkFailure(shrunk: readonly Shrunk[]): TapeflowFailure {
  const [first, ...others] = shrunk;
  if (first === undefined) throw new Error('no source is shrunk');
  const { source, holds, former } = first;
  const [had, has] = [former, holds].map(({ files }) => formatCount(files, 'file', 'files'));
  const what =
    holds.files === 0
      ? english`The source ${source} is empty, without the ${had ?? ''} (${formatBytes(former.bytes)})
          that set ${former.setId} found there`
      : english`The source ${source} holds ${has ?? ''} (${formatBytes(holds.bytes)}), less than a tenth
          of the ${had ?? ''} (${formatBytes(former.bytes)}) that set ${former.setId} found there`;
  const too = others
    .slice(0, othersNamed)
    .map((other) => other.source)
    .join(', ');
  const count = formatCount(others.length, 'other source has', 'other sources have');
  const sentence =
    others.length === 0 ? `${what}.` : english`${what}; ${count} shrunk like that too: ${too}.`;
  return new TapeflowFailure('SourceShrunk', sentence, {
    advice: english`See whether it is mounted and whole, and run the backup again; if it is meant to be so,
        run it with --allow-shrunk.`,
    details: { sources: shrunk.slice(0, othersNamed).map(({ source }) => source) },
  });
}

/** Further sources that are named. */
const othersNamed = 10;
