import { lastRunOf, listSchedules, runTrouble } from '../../catalog/server/schedules.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

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
        ? english`\`tapeflow status ${last.id ?? ''}\` shows everything that is wrong.`
        : english`\`tapeflow schedule run ${row.name}\` runs it again.`;
    checks.push({
      what: english`schedule ${row.name}`,
      level: 'trouble',
      finding: english`has no success: ${trouble}`,
      advice,
    });
  }
  return checks;
}
