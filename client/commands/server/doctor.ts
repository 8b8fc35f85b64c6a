import { inspectCatalog } from '../../../catalog/backup/inspect-catalog.js';
import Database from 'better-sqlite3';
import type { Command } from 'commander';
import lt from 'semver/functions/lt.js';
import { openCatalog } from '../../../catalog/open-catalog.js';
import { lastRunOf, listSchedules, runTrouble } from '../../../catalog/server/schedules.js';
import { shownCatalog } from '../../../config/catalog-url.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { formatDuration } from '../../../config/durations.js';
import { nodeMismatch } from '../../../config/node-mismatch.js';
import type { Retention } from '../../../config/settings/retention.js';
import type { DriveSettings, Settings } from '../../../config/settings/settings.js';
import type { SettingName } from '../../../config/settings/settings-schema.js';
import { formatBytes } from '../../../config/sizes.js';
import { queryDrive } from '../../../tape/drives/query-drive.js';
import { formatCount } from '../../../config/counts.js';
import { tapeAdvice } from '../../print/tape-advice.js';
import { driveHolder } from '../../../tape/drives/drive-lock.js';
import { identifyTape } from '../../../tape/drives/loaded-tape.js';
import {
  checkDataDisks,
  checkStaging,
  checkWriteLock,
  failedCheck,
  type Check,
  type Level,
} from '../../checks/disk-checks.js';
import { checkCompression } from '../../checks/compression-check.js';
import { checkRights } from '../../checks/rights-check.js';
import { exitCodes } from '../../exit-codes.js';
import { checkProofs } from '../../checks/proof-checks.js';
import { checkTemporal, checkWorkers } from '../../checks/server-checks.js';
import { inSession, type Session } from '../../session.js';
import { troubledSets } from '../../follow/set-health.js';
import { tableLines } from '../../print/table.js';

/** Older SQLite versions can corrupt a WAL database used by several processes (the WAL-reset bug). */
const oldestSqlite = '3.51.3';
const nodeCheck = 'Node';
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
    for (const line of tableLines([['SETTING', 'VALUE', 'FROM'], ...settingRows(settings)]))
      session.print(line);
    session.print('');
  }
  const signs: Record<Level, string> = { ok: 'ok      ', note: 'note    ', trouble: 'TROUBLE ' };
  for (const { what, level, finding, advice } of checks) {
    session.print(`${signs[level]} ${what}: ${finding}`);
    if (advice !== undefined) session.print(`          → ${advice}`);
  }
}

function settingRows(settings: Settings): [string, string, string][] {
  const rows: [string, string, string][] = [];
  const values = settings as unknown as Record<string, unknown>;
  for (const name of Object.keys(settings.origins) as (SettingName | 'drives' | 'pools')[]) {
    if (name === 'drives' || name === 'pools') continue;
    if (name === 'POOL_RETENTION') {
      rows.push([name, shownRetention(settings.POOL_RETENTION), settings.origins[name]]);
      continue;
    }
    const value = values[name] as string | number | boolean | undefined;
    const isBytes = typeof value === 'number' && /BYTES|SIZE|DRAIN_AT/.test(name);
    rows.push([
      name,
      value === undefined
        ? '–'
        : name === 'CATALOG_URL'
          ? shownCatalog(String(value))
          : isBytes
            ? `${value} (${formatBytes(value)})`
            : String(value),
      settings.origins[name],
    ]);
  }
  for (const drive of settings.drives) {
    rows.push([
      `drive ${drive.name}`,
      `${drive.kind} ${drive.path}`,
      drive.ours ? 'default' : settings.origins['drives'],
    ]);
  }
  for (const [pool, retention] of Object.entries(settings.retentions.pools))
    rows.push([`pool ${pool}`, `retention ${shownRetention(retention)}`, settings.origins['pools']]);
  return rows;
}

function shownRetention(retention: Retention): string {
  return retention === null ? 'forever' : formatDuration(retention);
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
  checks.push(...(await checkProofs(session, catalogWorks)));
  for (const drive of settings.drives) checks.push(await checkDrive(session, drive, catalogWorks));
  if (catalogWorks) {
    for (const { setId, trouble } of await troubledSets(session).catch(() => [])) {
      checks.push({
        what: `set ${setId}`,
        level: 'trouble',
        finding: `is unfinished, but ${trouble.finding}`,
        advice: trouble.advice,
      });
    }
    checks.push(...(await checkSchedules(session)));
  }
  return checks;
}

/** Reports schedules whose last run was not successful. */
async function checkSchedules(session: Session): Promise<Check[]> {
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

function checkNode(): Check {
  let version: string;
  try {
    const sqlite = new Database(':memory:');
    version = sqlite.prepare('select sqlite_version()').pluck().get() as string;
    sqlite.close();
  } catch (error) {
    const failure = nodeMismatch(error);
    if (failure === undefined) throw error;
    return { what: nodeCheck, level: 'trouble', finding: failure.message, advice: failure.advice };
  }
  const wrong = lt(version, oldestSqlite);
  return {
    what: nodeCheck,
    level: wrong ? 'trouble' : 'ok',
    finding: `${process.version} on ${process.platform}-${process.arch}, SQLite ${version}`,
    advice: wrong ? `Use SQLite ${oldestSqlite} or newer (\`npm ci\`).` : undefined,
  };
}

async function checkCatalog(settings: Settings): Promise<Check> {
  const what = 'catalog';
  try {
    const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
    try {
      const { sets, verdict, server } = await inspectCatalog(catalog, settings.CATALOG_URL);
      if (verdict !== 'ok') {
        return {
          what,
          level: 'trouble',
          finding: `${settings.CATALOG_URL} is damaged: ${verdict}`,
          advice: 'See docs/recovery.md, "The catalog is lost".',
        };
      }
      return (
        (await checkWriteLock(catalog, settings)) ?? {
          what,
          level: 'ok',
          finding: [shownCatalog(settings.CATALOG_URL), server, formatCount(sets, 'set')]
            .filter((part) => part !== undefined)
            .join(', '),
        }
      );
    } finally {
      await catalog.destroy();
    }
  } catch (error) {
    return failedCheck(what, error);
  }
}

/** A drive and what is in it, and who has it: a set waits while that is another installation. */
async function checkDrive(session: Session, settings: DriveSettings, catalogWorks: boolean): Promise<Check> {
  const check = await checkLoaded(session, settings, catalogWorks);
  const holder = driveHolder(session.settings, settings);
  if (holder === undefined) return check;
  const isOurs = holder.dataDir === session.settings.TAPEFLOW_DATA_DIR;
  const told = { ...check, finding: `${check.finding}; in use by ${holder.who}` };
  if (isOurs || check.level === 'trouble') return told;
  return { ...told, level: 'note', advice: 'Sets of this installation wait until that one ends.' };
}

async function checkLoaded(session: Session, settings: DriveSettings, catalogWorks: boolean): Promise<Check> {
  const what = `drive ${settings.name}`;
  const where = `${settings.kind} ${settings.path}`;
  if (!catalogWorks) return { what, level: 'note', finding: `${where}: not looked at without a catalog` };
  try {
    const catalog = await session.catalog();
    const { row, protection } = await queryDrive(session.settings, settings, async (drive) => ({
      row: (await identifyTape(drive, catalog)).row,
      protection: await drive.writeProtection(),
    }));
    const bad = protection !== undefined || row.state !== 'usable';
    return {
      what,
      level: bad ? 'trouble' : 'ok',
      finding:
        `${where}: tape ${row.name}, pool ${row.pool}, ` +
        `${row.state}${row.reason === null ? '' : ` (${row.reason})`}, ` +
        `${formatBytes(row.free)} of ${formatBytes(row.capacity)} ` +
        `free${protection === undefined ? '' : `; cannot be written: ${protection.why}`}`,
      advice: bad ? tapeAdvice(row, protection, settings.name) : undefined,
    };
  } catch (error) {
    if (error instanceof TapeflowFailure && settings.ours && error.details['reason'] === 'not_mounted') {
      return { what, level: 'note', finding: `${where}: is made and labelled at its first use` };
    }
    return failedCheck(what, error);
  }
}
