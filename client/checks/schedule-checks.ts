import { lastRunOf, listSchedules, runTrouble } from '../../catalog/server/schedules.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';

/** Reports schedules whose last run was not successful. */
export async function checkSchedules(session: Session): Promise<Check[]> {
  const catalog = await session.catalog();
  const checks: Check[] = [];
  for (const row of await listSchedules(catalog)) {
    const last = await lastRunOf(catalog, row);
    const trouble = runTrouble(last);
    if (trouble === undefined) continue;
    const advice =
      last?.state === 'incomplete'
        ? `\`tapeflow status ${last.id ?? ''}\` shows everything that is wrong.`
        : `\`tapeflow schedule run ${row.name}\` runs it again.`;
    checks.push({
      what: `schedule ${row.name}`,
      level: 'trouble',
      finding: `has no success: ${trouble}`,
      advice,
    });
  }
  return checks;
}
