import { Counter, Gauge, Registry } from 'prom-client';
import type { CatalogFigures } from './catalog-figures.js';
import {
  setStates,
  treeSamples,
  waitLabels,
  waitsAlike,
  withParked,
  type Sample,
} from './catalog-samples.js';

/** A metric, and what the catalog's figures say of it. */
interface CatalogMetric {
  name: string;
  help: string;
  labels?: readonly string[];
  samples(figures: CatalogFigures): Sample[];
}

const metrics: readonly CatalogMetric[] = [
  {
    name: 'tapeflow_sets',
    help: 'Backup sets in the catalog, by state.',
    labels: ['state'],
    samples: ({ sets }) =>
      setStates.map((state) => [{ state }, sets.find((row) => row.state === state)?.count ?? 0]),
  },
  {
    name: 'tapeflow_sets_left_alone',
    help: 'Unfinished sets that were resumed too often without progress, and wait for `tapeflow resume`.',
    samples: ({ leftAlone }) => [[{}, leftAlone]],
  },
  {
    name: 'tapeflow_groups',
    help: 'File groups of unfinished and of failed sets, by state; a parked one waits for `tapeflow retry`.',
    labels: ['state'],
    samples: ({ groups }) => withParked(groups.map(({ state, count }) => [{ state }, count])),
  },
  {
    name: 'tapeflow_groups_bytes',
    help: 'Bytes of files in the same groups.',
    labels: ['state'],
    samples: ({ groups }) => withParked(groups.map(({ state, bytes }) => [{ state }, bytes])),
  },
  {
    name: 'tapeflow_waiting',
    help: 'Sets, restores, verifies and copies that wait for a person: for a tape, or to be resumed.',
    labels: waitLabels,
    samples: (figures) => waitsAlike(figures).map(({ labels, count }) => [labels, count]),
  },
  {
    name: 'tapeflow_waiting_seconds',
    help: 'How long the longest of these waits has lasted.',
    labels: waitLabels,
    samples: (figures) => waitsAlike(figures).map(({ labels, ms }) => [labels, ms / 1000]),
  },
  {
    name: 'tapeflow_staging_used_bytes',
    help: 'Bytes of staging that archives hold or have reserved, over all sets.',
    samples: ({ staged }) => [[{}, staged]],
  },
  {
    name: 'tapeflow_staging_budget_bytes',
    help: 'Most bytes that may be staged at once (STAGING_MAX_BYTES).',
    samples: ({ stagingBudget }) => [[{}, stagingBudget]],
  },
  {
    name: 'tapeflow_tapes',
    help: 'Tapes, by pool and state.',
    labels: ['pool', 'state'],
    samples: ({ tapes }) => tapes.map(({ pool, state, count }) => [{ pool, state }, count]),
  },
  {
    name: 'tapeflow_tapes_capacity_bytes',
    help: 'Capacity of these tapes.',
    labels: ['pool', 'state'],
    samples: ({ tapes }) => tapes.map(({ pool, state, capacity }) => [{ pool, state }, capacity]),
  },
  {
    name: 'tapeflow_tapes_free_bytes',
    help: 'Room on these tapes when each was last seen.',
    labels: ['pool', 'state'],
    samples: ({ tapes }) => tapes.map(({ pool, state, free }) => [{ pool, state }, free]),
  },
  {
    name: 'tapeflow_copies',
    help: 'Copies of archives that are committed on the tapes of a pool.',
    labels: ['pool'],
    samples: ({ copies }) => copies.map(({ pool, committed }) => [{ pool }, committed]),
  },
  {
    name: 'tapeflow_copies_never_verified',
    help: 'Those of them that were never read back.',
    labels: ['pool'],
    samples: ({ copies }) => copies.map(({ pool, neverVerified }) => [{ pool }, neverVerified]),
  },
  {
    name: 'tapeflow_copies_damaged',
    help: 'Those of them that are known to be damaged.',
    labels: ['pool'],
    samples: ({ copies }) => copies.map(({ pool, damaged }) => [{ pool }, damaged]),
  },
  {
    name: 'tapeflow_copies_oldest_proof_timestamp_seconds',
    help: 'When the copy was last read back, or else committed, of which that was longest ago.',
    labels: ['pool'],
    samples: ({ copies }) => copies.map(({ pool, oldestProof }) => [{ pool }, oldestProof / 1000]),
  },
  {
    name: 'tapeflow_tree_last_success_timestamp_seconds',
    help: 'When the newest set of these sources began that was completed, or completed with skipped files.',
    labels: ['host', 'sources', 'scheduled'],
    samples: treeSamples,
  },
  {
    name: 'tapeflow_schedule_next_run_timestamp_seconds',
    help: 'When the schedule is to run next; a time that has passed was missed. None while it is paused.',
    labels: ['schedule'],
    samples: ({ schedules }) =>
      schedules.flatMap(({ name, next }) => (next === undefined ? [] : [[{ schedule: name }, next / 1000]])),
  },
  {
    name: 'tapeflow_schedule_last_run_failed',
    help: '1: the last run of the schedule has ended without success.',
    labels: ['schedule'],
    samples: ({ schedules }) => schedules.map(({ name, failed }) => [{ schedule: name }, Number(failed)]),
  },
  {
    name: 'tapeflow_schedule_paused',
    help: '1: the schedule does not run before `tapeflow schedule resume`.',
    labels: ['schedule'],
    samples: ({ schedules }) => schedules.map(({ name, paused }) => [{ schedule: name }, Number(paused)]),
  },
  {
    name: 'tapeflow_host_heard_timestamp_seconds',
    help: 'When the archive worker of a host last gave a sign of life; none for one that has said that it stops.',
    labels: ['host'],
    samples: ({ hosts }) =>
      hosts.flatMap(({ name, archive_at: at }) => (at === null ? [] : [[{ host: name }, at / 1000]])),
  },
  {
    name: 'tapeflow_drive_heard_timestamp_seconds',
    help: 'When the tape worker of a drive last gave a sign of life; none for one that has said that it stops.',
    labels: ['host', 'drive'],
    samples: ({ drives }) =>
      drives.flatMap(({ name, host, heard_at: at }) =>
        at === null ? [] : [[{ host, drive: name }, at / 1000]],
      ),
  },
  {
    name: 'tapeflow_refused_messages_total',
    help: 'Messages without a proof that they come from this installation, which were refused.',
    labels: ['kind'],
    samples: ({ refusals }) => refusals.map(({ kind, times }) => [{ kind }, times]),
  },
];

/** What the catalog's figures say, in Prometheus' text format; without figures, that it is out of reach. */
export async function catalogExposition(figures: CatalogFigures | undefined): Promise<string> {
  const registry = new Registry();
  new Gauge({
    name: 'tapeflow_catalog_reachable',
    help: '0: the catalog does not answer, and all figures that are read from it are missing.',
    registers: [registry],
  }).set(figures === undefined ? 0 : 1);
  if (figures === undefined) return registry.metrics();
  for (const { name, help, labels = [], samples } of metrics) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const metric = name.endsWith('_total') ? new Counter(options) : new Gauge(options);
    for (const [labelled, value] of samples(figures)) metric.inc(labelled, value);
  }
  return registry.metrics();
}
