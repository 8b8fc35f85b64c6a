import {
  copiesByPool,
  tapesByPool,
  type CopiesFigure,
  type TapesFigure,
} from '../../catalog/figures/tape-figures.js';
import { groupsByState, setsByState, setsLeftAlone } from '../../catalog/figures/set-figures.js';
import { waitsForPeople, type Wait } from '../../catalog/figures/waits.js';
import { stagedBytes } from '../../catalog/groups/staging-budget.js';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import { listHosts } from '../../catalog/hosts/hosts.js';
import { successesOfTrees, type TreeSuccesses } from '../../catalog/notices/ended.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostDriveRow, HostRow, RefusalRow } from '../../catalog/rows.js';
import { listRefusals } from '../../catalog/server/refusals.js';
import { scheduleFigures, type ScheduleFigure } from './schedule-figures.js';

/** What the catalog says at one time. */
export interface CatalogFigures {
  sets: Awaited<ReturnType<typeof setsByState>>;
  leftAlone: number;
  groups: Awaited<ReturnType<typeof groupsByState>>;
  /** Each with the milliseconds that it has lasted. */
  waits: (Wait & { ms: number })[];
  staged: number;
  stagingBudget: number;
  tapes: TapesFigure[];
  copies: CopiesFigure[];
  trees: TreeSuccesses[];
  schedules: ScheduleFigure[];
  hosts: HostRow[];
  drives: HostDriveRow[];
  refusals: RefusalRow[];
}

/**
 * The figures of all copies are the only ones that cost a long query where there are many. They stay as they are for so
 * many times the time that it took: it takes 2 % of the time at most.
 */
const copiesStay = 50;

/** Reads what the catalog says, and remembers what it does not say: since when a restore waits. */
export class CatalogReader {
  private copies: { rows: CopiesFigure[]; until: number } | undefined;
  private seenWaiting = new Map<string, number>();

  constructor(
    private readonly catalog: Catalog,
    private readonly stagingBudget: number,
  ) {}

  /** Throws what a query throws, such as when the catalog is out of reach. */
  async read(now = Date.now()): Promise<CatalogFigures> {
    const { catalog, stagingBudget } = this;
    return {
      sets: await setsByState(catalog),
      leftAlone: await setsLeftAlone(catalog),
      groups: await groupsByState(catalog),
      waits: this.timed(await waitsForPeople(catalog), now),
      staged: await stagedBytes(catalog),
      stagingBudget,
      tapes: await tapesByPool(catalog),
      copies: await this.copiesNow(now),
      trees: await successesOfTrees(catalog),
      schedules: await scheduleFigures(catalog, now),
      hosts: await listHosts(catalog),
      drives: await listHostDrives(catalog),
      refusals: await listRefusals(catalog),
    };
  }

  private async copiesNow(now: number): Promise<CopiesFigure[]> {
    if (this.copies === undefined || now >= this.copies.until) {
      const began = performance.now();
      const rows = await copiesByPool(this.catalog);
      this.copies = { rows, until: now + copiesStay * (performance.now() - began) };
    }
    return this.copies.rows;
  }

  /** Where the catalog has no time, a wait has lasted since it was first seen here. */
  private timed(waits: readonly Wait[], now: number): CatalogFigures['waits'] {
    const seen = new Map(waits.map(({ id }) => [id, this.seenWaiting.get(id) ?? now]));
    this.seenWaiting = seen;
    return waits.map((wait) => {
      const since = wait.since ?? seen.get(wait.id) ?? now;
      // The clock may have been set back in between.
      return { ...wait, ms: Math.max(0, now - since) };
    });
  }
}
