import type { TapeRow } from '../../catalog/rows.js';
import { adoptAdvice } from '../../tape/drives/loaded-tape.js';
import { protectionAdvice, type WriteProtection } from '../../tape/ltfs/write-protection.js';
import { shown, t } from '../../messages/shown.js';

/**
 * What to do with a tape that takes no writes.
 * @param drive the drive that it is in, if it was checked there.
 * @param protection write protection reported by the tape in a drive; if unknown, the catalog's record counts.
 */
export function tapeAdvice(tape: TapeRow, protection?: WriteProtection, drive = 'lto1'): string {
  const { name, pool, state } = tape;
  if (state === 'erasing') return t`\`tapeflow tape erase ${name} --yes\` ends its erasing.`;
  if (state === 'lost')
    return t`Load another tape of pool ${pool}, or, if it is back, \`tapeflow tape found ${name}\`.`;
  if (state === 'foreign') return t`Load another tape of pool ${pool}; ${adoptAdvice(drive)}.`;
  const forGood = protection?.forGood ?? tape.read_only === 1;
  if (forGood) return shown(protectionAdvice({ forGood }, tape));
  if (state === 'suspect')
    return t`Load another tape of pool ${pool}, or, after a check, \`tapeflow tape trust ${name}\`.`;
  if (state === 'full') return t`Load another tape of pool ${pool}.`;
  return shown(protectionAdvice({ forGood }, tape));
}
