import { isoTime } from '../print/retention-text.js';
import type { Report } from '../../operations/report/report.js';

const iso = (at: number | null) => (at === null ? null : isoTime(at));

/** The object that `report --json` prints: as the report is, with times in ISO 8601. */
export function reportObject(report: Report): object {
  const { from, to, growth, facts } = report;
  return {
    ...{ from: iso(from), to: iso(to) },
    sets: report.sets.map((set) => ({ ...set, startedAt: iso(set.startedAt), endedAt: iso(set.endedAt) })),
    trees: report.trees.map((tree) => ({ ...tree, lastSuccess: iso(tree.lastSuccess) })),
    growth: { ...growth, steps: growth.steps.map((step) => ({ ...step, at: iso(step.at) })) },
    pools: report.pools.map((pool) => ({ ...pool, oldestProof: iso(pool.oldestProof) })),
    tapes: report.tapes.map(({ until, isKeptByCount, isRecyclable, ...tape }) => ({
      ...tape,
      recyclable: isRecyclable,
      keptForEver: until === Infinity && !isKeptByCount,
      keptByCount: isKeptByCount,
      neededUntil: iso(until),
    })),
    expiring: report.expiring.map(({ setId, at }) => ({ setId, at: iso(at) })),
    expired: report.expired.map(({ setId, at }) => ({ setId, at: iso(at) })),
    keptForEver: report.keptForEver,
    readings: report.readings.map((one) => ({
      ...one,
      startedAt: iso(one.startedAt),
      endedAt: iso(one.endedAt),
    })),
    needsPerson: facts.map(({ event, subject, what, todo, command }) => ({
      event,
      subject,
      what,
      todo,
      command,
    })),
  };
}
