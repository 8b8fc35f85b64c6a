import type { Command } from 'commander';
import { checkCatalog } from '../../checks/catalog-check.js';
import { checkCompression } from '../../checks/compression-check.js';
import { checkDataDisks, checkStaging, type Check } from '../../checks/disk-checks.js';
import { checkDrive } from '../../checks/drive-check.js';
import { checkEncryption } from '../../checks/encryption-check.js';
import { checkHooks } from '../../checks/hook-checks.js';
import { checkHosts } from '../../checks/host-checks.js';
import { checkMetrics } from '../../checks/metrics-check.js';
import { checkNode } from '../../checks/node-check.js';
import { checkChannels } from '../../checks/notify-checks.js';
import { checkProofs } from '../../checks/proof-checks.js';
import { checkRights } from '../../checks/rights-check.js';
import { checkSchedules } from '../../checks/schedule-checks.js';
import { checkTemporal, checkWorkers } from '../../checks/server-checks.js';
import { exitCodes } from '../../exit-codes.js';
import { troubledSets } from '../../follow/set-health.js';
import { settingRows } from '../../print/setting-rows.js';
import { tableLines } from '../../print/table.js';
import { inSession, type Session } from '../../session.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** `doctor`: the settings in force with their origin, and checks of this installation. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .option(
      '--workers [role]',
      'only check that workers serve their queues: archive, or the name of a drive (for health checks)',
    )
    .action(({ workers }: { workers?: string | true }, command: Command) =>
      inSession(command, async (session) => {
        const checks =
          workers === undefined
            ? await checkAll(session)
            : await checkWorkers(session, workers === true ? undefined : workers);
        print(session, checks, workers === undefined);
        if (checks.some((check) => check.level === 'trouble')) process.exitCode = exitCodes.failure;
      }),
    );
}

function print(session: Session, checks: readonly Check[], withSettings: boolean): void {
  const { settings } = session;
  if (session.json) {
    const values = settingRows(settings).map(([name, value, origin]) => ({ name, value, origin }));
    session.emit({
      ...(withSettings ? { settings: values } : {}),
      checks,
      healthy: checks.every((check) => check.level !== 'trouble'),
    });
    return;
  }
  if (withSettings) {
    const rows = settingRows(settings).map(([name, value, origin]) => [shown(name), value, shown(origin)]);
    for (const line of tableLines([[t`SETTING`, t`VALUE`, t`FROM`], ...rows])) session.print(line);
    session.print('');
  }
  for (const check of checks) {
    session.print(checkLine(check));
    if (check.advice !== undefined) session.print(`          → ${shown(check.advice)}`);
  }
}

function checkLine({ what, level, finding }: Check): string {
  if (level === 'ok') return t`ok       ${what}: ${finding}`;
  return level === 'note' ? t`note     ${what}: ${finding}` : t`TROUBLE  ${what}: ${finding}`;
}

async function checkAll(session: Session): Promise<Check[]> {
  const { settings } = session;
  const node = checkNode();
  // Without SQLite nothing else can be checked.
  if (node.finding.includes('does not load')) return [node];
  const checks: Check[] = [node, await checkCatalog(settings), await checkCompression(settings)];
  checks.push(...(await checkTemporal(session)));
  checks.push(...(await checkStaging(settings)), ...(await checkDataDisks(settings)));
  checks.push(...checkRights(settings));
  const catalogWorks = checks[1]?.level !== 'trouble';
  checks.push(...(await checkEncryption(session, catalogWorks)));
  checks.push(...(await checkProofs(session, catalogWorks)));
  // Those of other hosts are told with their hosts.
  const { drives } = catalogWorks ? await session.allDrives() : settings;
  for (const drive of drives.filter(({ host }) => host === undefined))
    checks.push(await checkDrive(session, drive, catalogWorks));
  checks.push(...(await checkChannels(session, catalogWorks)), ...checkHooks(settings));
  if (settings.METRICS_ADDRESS !== undefined) checks.push(await checkMetrics(settings.METRICS_ADDRESS));
  if (catalogWorks) {
    checks.push(...(await checkHosts(session)));
    for (const { setId, trouble } of await troubledSets(session).catch(() => [])) {
      checks.push({
        what: english`set ${setId}`,
        level: 'trouble',
        finding: english`is unfinished, but ${trouble.finding}`,
        advice: trouble.advice,
      });
    }
    checks.push(...(await checkSchedules(session)));
  }
  return checks;
}
