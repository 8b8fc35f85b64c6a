import type { Catalog } from '../catalog/open-catalog.js';
import { moveTape } from '../catalog/tape-states.js';
import { tapeByUuid, type TapeRow } from '../catalog/tapes.js';
import { TapeflowFailure } from '../config/failures.js';
import type { DriveSettings } from '../config/settings.js';
import { openDrive } from './drive.js';
import { loadedTapeId } from './label.js';
import { noteSeal } from './tape-demand.js';
import { copyOffAdvice, isWriteError, untilMounted } from './write-protection.js';

/**
 * A person says that a suspect or full tape is good. What it says of itself counts more, where it is in a drive: one that
 * LTFS has made read-only for good is refused with `ReadOnlyTape`.
 * @returns what to bear in mind with it, in sentences.
 */
export async function trustTape(
  catalog: Catalog,
  drives: readonly DriveSettings[],
  tape: TapeRow,
): Promise<string[]> {
  for (const settings of drives) await lookInDrive(catalog, settings, tape.uuid);
  await moveTape(catalog, tape.uuid, 'trust');
  const now = (await tapeByUuid(catalog, tape.uuid)) ?? tape;
  if (now.read_only === 1) {
    throw new TapeflowFailure(
      'ReadOnlyTape',
      `The tape ${now.name} is only read from now on: ${now.reason ?? 'LTFS has made it read-only for good'}.`,
      { advice: `No trust makes it take writes. ${copyOffAdvice(now)}` },
    );
  }
  return remindersOf(tape);
}

async function lookInDrive(catalog: Catalog, settings: DriveSettings, uuid: string): Promise<void> {
  if (settings.kind !== 'ltfs' || (await loadedTapeId(settings.path)) !== uuid) return;
  const row = await tapeByUuid(catalog, uuid);
  if (row === undefined) return;
  try {
    await noteSeal(catalog, row, await openDrive(settings).writeProtection());
  } catch (error) {
    // A drive that does not answer says nothing of the tape.
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
  }
}

/** Of a tape with a volume id, a real one: an error of a folder is its disk's. */
function remindersOf(tape: TapeRow): string[] {
  const { state, reason, volume } = tape;
  if (state !== 'suspect' || reason === null) return [];
  const reminders: string[] = [];
  if (reason.includes(untilMounted))
    reminders.push('Unmount it and mount it again, if that was not done since: before, every write fails.');
  if (volume !== null && isWriteError(reason))
    reminders.push(`A cartridge that had a write error is likely to have more: ${copyOffAdvice(tape)}`);
  return reminders;
}
