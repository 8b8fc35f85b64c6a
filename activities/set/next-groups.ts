import { closedGroups, maxArchiveBytes } from '../../catalog/groups/groups.js';
import { committedCopiesOf } from '../../catalog/copies/tape-copies.js';
import type { GroupState } from '../../catalog/schema/group-tables.js';
import type { GroupRow } from '../../catalog/rows.js';
import { asAttempt } from '../attempt.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps } from '../../operations/deps.js';

/** A group, as the workflow knows it. */
export interface PlannedGroup {
  group: number;
  bytes: number;
  direct: boolean;
  state: GroupState;
  /**
   * Bytes of staging that it holds or requests, as counted by the catalog; missing in histories of earlier versions.
   */
  stagingBytes?: number;
  /** Numbers of its committed copies; left out if there are none. */
  committed?: number[];
}

/** Some of the groups of a set, in their order. */
export interface GroupPage {
  groups: PlannedGroup[];
  /** True when no further group will come. */
  last: boolean;
}

/** States of groups that need no more work. */
const finished: readonly GroupState[] = ['released', 'skipped', 'failed'];
/** Milliseconds between two checks for the scan's next group: at first, for small sets, and at most. */
const firstLookMs = 20;
const lookEveryMs = 250;
const pageSize = 50;

/** The next groups of a set that need work; waits for the scan when there are none yet. */
export function nextGroups(deps: Deps, setId: string, afterNo: number): Promise<GroupPage> {
  return asAttempt(async (attempt) => {
    let after = afterNo;
    for (let wait = firstLookMs; ; wait = Math.min(2 * wait, lookEveryMs)) {
      const { groups, scanned } = await closedGroups(deps.catalog, setId, after, pageSize);
      const work = groups.filter((group) => !finished.includes(group.state));
      const last = scanned && groups.length < pageSize;
      if (work.length > 0 || last) return { groups: await plannedGroups(deps, setId, work), last };
      after = groups.at(-1)?.no ?? after;
      if (groups.length < pageSize) await pauseFor(attempt, wait);
    }
  });
}

async function plannedGroups(
  { catalog }: Deps,
  setId: string,
  groups: readonly GroupRow[],
): Promise<PlannedGroup[]> {
  const numbers = groups.map((group) => group.no);
  const committed = await committedCopiesOf(catalog, setId, numbers);
  return groups.map((group) => {
    const { no, bytes, state } = group;
    const stagingBytes = group.reserved > 0 ? group.reserved : maxArchiveBytes(group);
    const copies = committed.get(no);
    return {
      ...{ group: no, bytes, direct: group.direct === 1, state, stagingBytes },
      ...(copies === undefined ? {} : { committed: copies }),
    };
  });
}
