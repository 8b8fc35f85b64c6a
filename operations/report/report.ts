import type { Catalog } from '../../catalog/open-catalog.js';
import { retrievalsSince, setsSince, writesSince } from '../../catalog/figures/period-figures.js';
import { storedBySet, type StoredFigure } from '../../catalog/figures/stored-figures.js';
import type { RetrievalKind, RetrievalState } from '../../catalog/schema/retrieval-tables.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import { listSets } from '../../catalog/sets/sets.js';
import type { Retentions } from '../../config/settings/retention.js';
import type { Fact } from '../notify/message.js';
import { quickFacts, slowFacts } from '../notify/find-facts.js';
import { growthOf, type Growth } from './growth.js';
import { treesOf, type ReportedTree } from './trees.js';
import { poolsAndTapes, type ReportedPool, type ReportedTape } from './tapes.js';

/** What was done in a period, and what there is now. Times in milliseconds since 1970, sizes in bytes. */
export interface Report {
  from: number;
  to: number;
  /** The sets that were at work in the period, oldest first. */
  sets: ReportedSet[];
  /** Restores, verifies and copies that began in it. */
  readings: ReportedReading[];
  /** Every tree of which there was a set. */
  trees: ReportedTree[];
  growth: Growth;
  pools: ReportedPool[];
  tapes: ReportedTape[];
  /** Of the sets on tape: those that expire within as long a time from now on as the period, and those that have. */
  expiring: { setId: string; at: number }[];
  expired: { setId: string; at: number }[];
  /** How many sets of which tapes hold something are kept for ever. */
  keptForEver: number;
  /** What needs a person now. */
  facts: Fact[];
}

export interface ReportedSet {
  setId: string;
  host: string | null;
  sources: string[];
  state: SetState;
  reason: string | null;
  mode: string;
  startedAt: number;
  /** Null while it is unfinished. */
  endedAt: number | null;
  /** What is on tape. */
  archives: number;
  files: number;
  bytesIn: number;
  bytesOut: number;
  /** Its writes to tape in the period: each copy counts. */
  written: number;
  writeSeconds: number;
}

export interface ReportedReading {
  id: string;
  kind: RetrievalKind;
  subject: string;
  state: RetrievalState;
  startedAt: number;
  endedAt: number | null;
}

/** What a report is to be of. */
export interface ReportWish {
  from: number;
  to: number;
  retentions: Retentions;
  /** As for notifications: days without a success of a tree after which that is told; 0: never. */
  noSuccessDays: number;
}

/** Reads a report from the catalog alone. It takes a moment where there are many copies: each is looked at once. */
export async function readReport(db: Catalog, wish: ReportWish): Promise<Report> {
  const { from, to } = wish;
  const stored = await storedBySet(db);
  const keeping = await SetRetention.of(db, wish.retentions);
  const held = stored.filter(({ archives }) => archives > 0).map(({ setId }) => setId);
  const ends = held
    .filter((setId) => !keeping.isUnfinished(setId))
    .map((setId) => ({ setId, at: keeping.expires(setId) }));
  const until = to + (to - from);
  const look = { now: to, mayBeMissed: true, noSuccessDays: wish.noSuccessDays };
  const facts = [...(await quickFacts(db, look)), ...(await slowFacts(db, look))];
  return {
    ...{ from, to },
    sets: await reportedSets(db, from, stored),
    readings: await reportedReadings(db, from),
    trees: treesOf(await listSets(db), stored, from),
    growth: await growthOf(db, from, to),
    ...(await poolsAndTapes(db, { from, to, keeping })),
    expiring: ends.filter(({ at }) => at > to && at <= until),
    expired: ends.filter(({ at }) => at <= to && Number.isFinite(at)),
    keptForEver: ends.filter(({ at }) => at === Infinity).length,
    facts: facts.filter(({ event }) => event !== 'completed'),
  };
}

async function reportedSets(
  db: Catalog,
  from: number,
  stored: readonly StoredFigure[],
): Promise<ReportedSet[]> {
  const figures = new Map(stored.map((figure) => [figure.setId, figure]));
  const writes = new Map((await writesSince(db, from)).map((figure) => [figure.setId, figure]));
  return (await setsSince(db, from)).map((set) => {
    const { archives = 0, files = 0, bytesIn = 0, bytesOut = 0 } = figures.get(set.id) ?? {};
    const { bytes: written = 0, ms = 0 } = writes.get(set.id) ?? {};
    return {
      ...{ setId: set.id, host: set.host, sources: JSON.parse(set.sources) as string[] },
      ...{ state: set.state, reason: set.reason, mode: set.mode },
      ...{ startedAt: set.created_at, endedAt: set.finished_at },
      ...{ archives, files, bytesIn, bytesOut, written, writeSeconds: ms / 1000 },
    };
  });
}

async function reportedReadings(db: Catalog, from: number): Promise<ReportedReading[]> {
  return (await retrievalsSince(db, from)).map((row) => ({
    ...{ id: row.id, kind: row.kind, subject: row.subject, state: row.state },
    ...{ startedAt: row.created_at, endedAt: row.finished_at },
  }));
}
