import { readdir } from 'node:fs/promises';
import type { TapeRow } from '../../catalog/rows.js';
import { isPartOf } from '../../disk/durable-file.js';
import type { Drive, Medium } from '../drives/drive.js';
import { labelFileName } from './label.js';

/** What is at the root of a tape besides its label. */
export async function rootOf({ settings }: Pick<Drive, 'settings'>): Promise<string[]> {
  return (await readdir(settings.path)).filter(
    (name) => name !== labelFileName && !isPartOf(name, labelFileName) && name !== 'lost+found',
  );
}

/**
 * True when the medium in a drive, which has no label, may be that tape, formatted since: it is empty, and on LTFS it
 * has another volume id. A new cartridge looks the same: which it is, only a person can say.
 */
export async function mayBeFormatted(
  drive: Pick<Drive, 'settings'>,
  medium: Medium,
  tape: Pick<TapeRow, 'volume'>,
): Promise<boolean> {
  if (medium.volume !== null && medium.volume === tape.volume) return false;
  return (await rootOf(drive)).length === 0;
}

/** How a person says that it is. */
export function formattedAdvice(name: string): string {
  return `If it is ${name}, formatted since, \`tapeflow tape erase ${name} --yes --formatted\` gives it its label again`;
}
