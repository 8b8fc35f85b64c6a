import { readdir } from 'node:fs/promises';
import { english } from '../../messages/sentence.js';
import type { TapeRow } from '../../catalog/rows.js';
import { isPartOf } from '../../disk/part-files.js';
import type { Drive, Medium } from '../drives/drive.js';
import { labelFileName } from './label.js';

/** Names at the root of a tape besides its label. */
export async function otherRootEntries({ settings }: Pick<Drive, 'settings'>): Promise<string[]> {
  return (await readdir(settings.path)).filter(
    (name) => name !== labelFileName && !isPartOf(name, labelFileName) && name !== 'lost+found',
  );
}

/**
 * True when the unlabelled medium in a drive may be that tape after formatting: it is empty, and on LTFS has another
 * volume id. A new cartridge looks the same; only a person can tell.
 */
export async function mayBeFormatted(
  drive: Pick<Drive, 'settings'>,
  medium: Medium,
  tape: Pick<TapeRow, 'volume'>,
): Promise<boolean> {
  if (medium.volume !== null && medium.volume === tape.volume) return false;
  return (await otherRootEntries(drive)).length === 0;
}

/** Advice on how to say that it is that tape. */
export function formattedAdvice(name: string): string {
  return english`If it is ${name}, formatted since, \`tapeflow tape erase
      ${name} --yes --formatted\` gives it its label again`;
}
