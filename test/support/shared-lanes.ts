import { HostRestoreLane } from './host-restore-kill.js';
import type { Outcome } from './kill-set.js';
import type { Family, Point, Target } from './kill-point.js';
import { RestoreLane } from './restore-kill.js';
import { SideFaults } from './side-faults.js';

/** Families whose runs are made one after the other, those of each kind in one installation. */
const kinds = { restore: 'restore', 'to-host': 'to-host', reading: 'sides', targets: 'sides' } as const;
type SharedFamily = keyof typeof kinds;
type Kind = (typeof kinds)[SharedFamily];

interface SharedLane {
  points(family: SharedFamily): Point[] | Promise<Point[]>;
  run(point: Point, target: Target): Promise<Outcome>;
  close(keep: boolean): Promise<void>;
}

export function isShared(family: Family): family is SharedFamily {
  return family in kinds;
}

/** The installations of these families, each made when it is first needed. */
export class SharedLanes {
  private readonly lanes = new Map<Kind, Promise<SharedLane>>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly library: string) {}

  async points(family: SharedFamily): Promise<Point[]> {
    return (await this.lane(kinds[family])).points(family);
  }

  /** Runs a point when those before it have ended. An installation where something went wrong is kept as it is. */
  run(family: SharedFamily, point: Point, target: Target): Promise<Outcome> {
    const kind = kinds[family];
    const outcome = this.turn.then(async () => {
      const lane = await this.lane(kind);
      const run = await lane.run(point, target);
      // Reads that fail, and targets, leave nothing behind that a later run would meet.
      if (run.problems.length > 0 && kind !== 'sides') {
        this.lanes.delete(kind);
        await lane.close(true);
      }
      return run;
    });
    this.turn = outcome.catch(() => undefined);
    return outcome;
  }

  async close(): Promise<void> {
    for (const lane of this.lanes.values()) await (await lane).close(false);
  }

  private lane(kind: Kind): Promise<SharedLane> {
    const known = this.lanes.get(kind);
    if (known !== undefined) return known;
    const lane = open(kind, this.library);
    this.lanes.set(kind, lane);
    return lane;
  }
}

function open(kind: Kind, library: string): Promise<SharedLane> {
  if (kind === 'sides') return SideFaults.open();
  return kind === 'restore' ? RestoreLane.open(library) : HostRestoreLane.open(library);
}
