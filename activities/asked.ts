import { timeOfDay } from '../config/local-time.js';
import type { DriveDeps } from '../operations/deps.js';
import { english } from '../messages/sentence.js';

/** Who may never answer a step, and what of it is known now. */
export interface Whom {
  /** For people: `the drive lto1`, `the source /mnt/nas`. */
  who: string;
  /** The path, where it is a source and nothing else. */
  source?: string;
}

/** What a step asks, such as a drive: its silence must not look like work, nor hold up the step's end. */
export interface Asked {
  /** Where the step is noted while it runs: the path of the drive, or `sources`. */
  at: string;
  /** The milliseconds without an answer after which the step's heartbeat says so. */
  answersWithinMs: number;
  /** Who is asked now; undefined while nobody is, and silence means nothing. */
  whom(): Whom | undefined;
  /** Changes whenever there was an answer, beside what the step reports. */
  moves?(): number;
  /** A step that was left behind there and has not ended: this one does not begin before. */
  before?(): DriveWork | undefined;
  /** Tells what cannot be told otherwise, such as a thread, that the step was given up. */
  giveUp?(): void;
}

/** A step at work where it asks somebody, in this process. */
export interface DriveWork {
  /** Name of the step, for people: `writeToTape`. */
  name: string;
  /** When the drive last answered, in milliseconds since 1970. */
  heard: number;
  /** Who did not answer when it was given up: nobody waits for it since, and nothing that it does counts. */
  left: Whom | undefined;
}

/** By where they are noted. */
const atWork = new Map<string, Set<DriveWork>>();

/** Notes a step at work until it has ended, which it does when it is answered. */
export async function trackDriveWork<Result>(
  at: string,
  work: DriveWork,
  body: () => Promise<Result>,
): Promise<Result> {
  const all = atWork.get(at) ?? new Set();
  atWork.set(at, all.add(work));
  try {
    return await body();
  } finally {
    all.delete(work);
  }
}

/** A step that was left behind there and has not ended; undefined when there is none, and another may begin. */
export function leftAt(at: string, blocks: (left: Whom) => boolean = () => true): DriveWork | undefined {
  return workAt(at).find(({ left }) => left !== undefined && blocks(left));
}

/** Every step that is at work there, left behind or not. Of a drive: while there is one, its locks must be kept. */
export function workAt(at: string): readonly DriveWork[] {
  return [...(atWork.get(at) ?? [])];
}

/** Notices when a step is answered no more. */
export class Silence {
  private moves: number | undefined;

  constructor(
    private readonly asks: Asked,
    private readonly work: DriveWork,
  ) {
    this.moves = asks.moves?.();
  }

  /** Who has not answered for so many milliseconds, and is being asked; undefined: nobody. */
  of(ms = this.asks.answersWithinMs): Whom | undefined {
    const moves = this.asks.moves?.();
    if (moves !== this.moves) this.work.heard = Date.now();
    this.moves = moves;
    return Date.now() - this.work.heard >= ms ? this.asks.whom() : undefined;
  }
}

/** What a later step says that waits for the end of one that was left behind. */
export function waitsForLeft(work: DriveWork): string {
  return english`${silentSince(work.left, work)}: a step that was left to end
    by itself (${work.name}) has not ended there yet`;
}

/** The silence of somebody, as part of a sentence. */
export function silentSince(whom: Whom | undefined, { heard }: DriveWork): string {
  return english`${whom?.who ?? ''} has not answered since ${timeOfDay(heard)}`;
}

/** What a step asks that works in one place, in which no other may begin while one that was left behind is there. */
export function askedAt(at: string, who: string, answersWithinMs: number): Asked {
  return { at, answersWithinMs, whom: () => ({ who }), before: () => leftAt(at) };
}

/**
 * The drive of a step. A call into a hanging drive never ends while the heartbeat continues: that must not look like
 * progress.
 */
export function asked(
  { drive, settings }: Pick<DriveDeps, 'drive' | 'settings'>,
  also?: 'target' | 'staging',
): Asked {
  const { name, path } = drive.settings;
  const who =
    also === 'target'
      ? english`the drive ${name}, or the target,`
      : also === 'staging'
        ? english`the drive ${name}, or staging,`
        : english`the drive ${name}`;
  return askedAt(path, who, settings.DRIVE_ANSWER_SECONDS * 1000);
}
