import type { TestContext } from 'node:test';
import type { PlannedGroup } from '../../activities/set/next-groups.js';
import type { WorkflowsAlone } from './workflows-alone.js';

interface Ref {
  setId: string;
  group: number;
}

/** Steps of a set that a test gives, in place of those that go well. */
interface Steps {
  compressGroup?: (ref: Ref) => unknown;
  promoteArchive?: (ref: Ref) => unknown;
  waitForFinal?: () => unknown;
  writeToTape?: (ref: Ref) => unknown;
  syncTape?: (setId: string, tape: string, groups: number[]) => unknown;
  watchTape?: () => unknown;
}

/** A set as the catalog would know it over the runs of its workflow, and its steps without files and tapes. */
export class FakeSet {
  readonly drive: string;
  private readonly states = new Map<number, PlannedGroup['state']>();
  /** Archives that were written, each time anew. */
  writes = 0;
  readonly parked: number[] = [];
  /** A command has cancelled it before its workflow began. */
  ended = false;
  /** What the test lets go wrong no longer does. */
  mended = false;
  readonly steps: Steps;

  /** @param groups how many it has, numbered from 1. */
  constructor(
    readonly setId: string,
    { groups, steps }: { groups: number; steps: (set: FakeSet) => Steps },
  ) {
    this.drive = `drive-of-${setId}`;
    for (let group = 1; group <= groups; group += 1) this.states.set(group, 'planned');
    this.steps = steps(this);
  }

  next(after: number): { groups: PlannedGroup[]; last: boolean } {
    const groups = [...this.states]
      .filter(([group, state]) => group > after && !['released', 'failed'].includes(state))
      // Too large to be waited for by a later one.
      .map(([group, state]) => ({ group, bytes: 1e9, stagingBytes: 1, direct: false, state }));
    return { groups, last: true };
  }

  write({ group }: Ref) {
    if (this.states.get(group) !== 'written') this.writes += 1;
    this.states.set(group, 'written');
    return { tape: 'uuid', tapeName: 'A1', bytes: 1 };
  }

  sync(groups: number[]) {
    this.note(groups, 'committed');
    return { committed: groups, lost: [] };
  }

  lose(groups: number[]) {
    this.note(groups, 'queued');
    return { committed: [], lost: groups };
  }

  note(groups: number[], state: PlannedGroup['state']): void {
    for (const group of groups) this.states.set(group, state);
  }

  park(group: number): void {
    this.parked.push(group);
    this.note([group], 'failed');
  }

  retry(): { groups: number; first: number } {
    const first = Math.min(...this.parked);
    const groups = this.parked.splice(0);
    this.note(groups, 'planned');
    return { groups: groups.length, first };
  }

  /** As the real end does: a set of which a group is unfinished is not completed. */
  finish() {
    if (this.ended) return { setId: this.setId, status: 'cancelled' };
    const isWhole = [...this.states.values()].every((state) => state === 'released');
    return { setId: this.setId, status: isWhole ? 'completed' : 'failed' };
  }
}

/** Serves the steps of some sets, each with a drive of its own. */
export async function serveSets(
  t: TestContext,
  alone: WorkflowsAlone,
  sets: readonly FakeSet[],
): Promise<void> {
  const of = (setId: string): FakeSet => {
    const set = sets.find((one) => one.setId === setId);
    if (set === undefined) throw new Error(`no set ${setId}`);
    return set;
  };
  await alone.serveArchive(t, {
    nextGroups: (id: string, after: number) => of(id).next(after),
    recordState: (id: string) => (of(id).ended ? 'ended' : undefined),
    compressGroup: (ref: Ref) => of(ref.setId).steps.compressGroup?.(ref),
    waitForRoom: () => undefined,
    promoteArchive: (ref: Ref) => of(ref.setId).steps.promoteArchive?.(ref),
    releaseArchives: (id: string, groups: number[]) => of(id).note(groups, 'released'),
    parkFailedGroup: ({ setId, group }: Ref) => of(setId).park(group),
    retryParkedGroups: (id: string) => of(id).retry(),
    finishSet: (id: string) => of(id).finish(),
  });
  for (const set of sets)
    await alone.serveDrive(t, set.drive, {
      waitForFinal: () => {
        set.steps.waitForFinal?.();
        return 1;
      },
      writeToTape: (ref: Ref) => (set.steps.writeToTape ?? ((given: Ref) => set.write(given)))(ref),
      syncTape: (id: string, tape: string, groups: number[]) =>
        (set.steps.syncTape ?? ((_id, _tape, given: number[]) => set.sync(given)))(id, tape, groups),
      watchTape: () => set.steps.watchTape?.(),
    });
}
