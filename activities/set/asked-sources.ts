import type { PackAsks } from '../../archive/pack/pack-in-thread.js';
import { takenOf } from '../../catalog/sets/taken-options.js';
import type { GroupRow, SetRow } from '../../catalog/rows.js';
import type { Settings } from '../../config/settings/settings.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { TakenList } from '../../entry/tally.js';
import { memberNameOfText } from '../../entry/member-name.js';
import { isInside } from '../../source/sources.js';
import { leftAt, waitsForLeft, type Asked, type Whom } from '../asked.js';
import { lookAtLeftMs } from '../running-step.js';
import { pauseFor, type Attempt } from '../../operations/attempt.js';
import { english } from '../../messages/sentence.js';

/** Where steps that read sources are noted. */
export const sourceSteps = 'sources';

type FromThread = Required<Pick<Asked, 'whom' | 'moves'>> & Pick<Asked, 'giveUp'>;

/** What a step asks through a thread of its own: that alone knows whom it is reading, or writing to, at any time. */
export class AskedByThread implements Asked {
  private thread: FromThread | undefined;

  constructor(private readonly step: Asked) {}

  get at(): string {
    return this.step.at;
  }

  get answersWithinMs(): number {
    return this.step.answersWithinMs;
  }

  before = () => this.step.before?.();
  whom = () => this.thread?.whom() ?? this.step.whom();
  moves = () => this.thread?.moves() ?? 0;
  giveUp = () => this.thread?.giveUp?.();

  /** From now on the thread knows; undefined: it has ended. */
  follow(thread: FromThread | undefined): void {
    this.thread = thread;
  }
}

/** The sources of a step that reads them in a thread, and else asks nobody who could be silent. */
export function askedSources({ DRIVE_ANSWER_SECONDS: seconds }: Settings): AskedByThread {
  return new AskedByThread({ at: sourceSteps, answersWithinMs: seconds * 1000, whom: () => undefined });
}

/** A source that is being asked, which may be a list of paths; undefined where none is. */
export function whomOfSource(source: string | undefined, list?: TakenList): Whom | undefined {
  if (source === undefined) return undefined;
  return {
    who: source === list?.file ? english`a path of the list ${source}` : english`the source ${source}`,
    source,
  };
}

/** Whom a pack asks: one of the sources, or what it writes to. */
export function askedByPack(
  pack: PackAsks,
  set: Pick<SetRow, 'sources' | 'taken'>,
  output: string,
): FromThread {
  const sources = JSON.parse(set.sources) as string[];
  const { list } = takenOf(set);
  return {
    moves: pack.moves,
    whom() {
      const now = pack.now();
      if (now === undefined) return undefined;
      if (now === 'output') return { who: output };
      const source = sources.find((one) => isOf(now.reads, memberNameOfText(one, process.platform)));
      // What is in none of the others is a path of the list.
      return whomOfSource(source ?? list?.file, list);
    },
  };
}

/** True when a member is that of a source, or lies in it. */
function isOf(member: string, source: string): boolean {
  return source === '' || member === source || member.startsWith(`${source}/`);
}

/** The sources that entries of a group may come from; a group is a range of the walk. */
export function sourcesOfGroup(set: Pick<SetRow, 'sources' | 'taken'>, group: GroupRow): string[] {
  const { list } = takenOf(set);
  const [first, last] = [fromBytes(group.first_path), fromBytes(group.last_path)];
  return (JSON.parse(set.sources) as string[]).filter((source) => {
    if (source === list?.file) return true;
    const name = memberNameOfText(source, process.platform);
    // `0` comes right behind `/`: all that lies in a source lies before it.
    return name === '' || (name <= last && first < `${name}0`);
  });
}

/**
 * Waits until no step that was left behind in one of these sources is there any more, and says so in its heartbeat:
 * each that hangs there keeps a thread.
 */
export async function afterLeft(attempt: Attempt, sources: readonly string[]): Promise<void> {
  const blocks = ({ source: silent }: Whom) =>
    silent === undefined || sources.some((source) => isInside(source, silent) || isInside(silent, source));
  const left = () => leftAt(sourceSteps, blocks);
  for (let before = left(); before !== undefined; before = left()) {
    attempt.report({ step: 'waiting', why: waitsForLeft(before), stuck: true });
    await pauseFor(attempt, lookAtLeftMs);
  }
}
