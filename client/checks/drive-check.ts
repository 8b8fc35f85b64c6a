import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { driveHolder } from '../../tape/drives/drive-lock.js';
import { identifyTape } from '../../tape/drives/loaded-tape.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import { tapeAdvice } from '../print/tape-advice.js';
import type { Session } from '../session.js';
import { failedCheck, type Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** A drive and what is in it, and who has it: a set waits while that is another installation. */
export async function checkDrive(
  session: Session,
  settings: DriveSettings,
  catalogWorks: boolean,
): Promise<Check> {
  const check = await checkLoaded(session, settings, catalogWorks);
  const holder = driveHolder(session.settings, settings);
  if (holder === undefined) return check;
  const isOurs = holder.dataDir === session.settings.TAPEFLOW_DATA_DIR;
  const told = { ...check, finding: english`${check.finding}; in use by ${holder.who}` };
  if (isOurs || check.level === 'trouble') return told;
  return { ...told, level: 'note', advice: english`Sets of this installation wait until that one ends.` };
}

async function checkLoaded(session: Session, settings: DriveSettings, catalogWorks: boolean): Promise<Check> {
  const what = english`drive ${settings.name}`;
  const where = `${settings.kind} ${settings.path}`;
  if (!catalogWorks)
    return { what, level: 'note', finding: english`${where}: not looked at without a catalog` };
  try {
    const catalog = await session.catalog();
    const { row, protection } = await queryDrive(session.settings, settings, async (drive) => ({
      row: (await identifyTape(drive, catalog)).row,
      protection: await drive.writeProtection(),
    }));
    const bad = protection !== undefined || row.state !== 'usable';
    const tape = tapeText(where, row);
    return {
      what,
      level: bad ? 'trouble' : 'ok',
      finding: protection === undefined ? tape : english`${tape}; cannot be written: ${protection.why}`,
      advice: bad ? tapeAdvice(row, protection, settings.name) : undefined,
    };
  } catch (error) {
    if (error instanceof TapeflowFailure && settings.ours && error.details['reason'] === 'not_mounted') {
      return { what, level: 'note', finding: english`${where}: is made and labelled at its first use` };
    }
    return failedCheck(what, error);
  }
}

function tapeText(where: string, { name, pool, state, reason, free, capacity }: TapeRow): string {
  const [left, all] = [formatBytes(free), formatBytes(capacity)];
  return reason === null
    ? english`${where}: tape ${name}, pool ${pool}, ${state}, ${left} of ${all} free`
    : english`${where}: tape ${name}, pool ${pool}, ${state} (${reason}), ${left} of ${all} free`;
}
