import { TapeflowFailure } from '../../config/failures.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { driveHolder } from '../../tape/drives/drive-lock.js';
import { identifyTape } from '../../tape/drives/loaded-tape.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import { tapeAdvice } from '../print/tape-advice.js';
import type { Session } from '../session.js';
import { failedCheck, type Check } from './disk-checks.js';

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
