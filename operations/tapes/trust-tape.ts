import type { Catalog } from '../../catalog/open-catalog.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import type { TapeRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import { noteReadOnly } from '../../tape/requirements/require-tape.js';
import { copyOffAdvice, isWriteError, untilRemounted } from '../../tape/ltfs/write-protection.js';
import { english } from '../../messages/sentence.js';

/**
 * Marks a suspect or full tape as usable at a user's request. If it is in a drive, its own state takes precedence: one
 * that LTFS has made read-only for good is refused with `ReadOnlyTape`.
 * @returns reminders for the user, as sentences.
 */
export async function trustTape(
  catalog: Catalog,
  settings: Pick<Settings, 'drives' | 'DRIVE_ANSWER_SECONDS'>,
  tape: TapeRow,
): Promise<string[]> {
  for (const drive of settings.drives)
    if (drive.kind === 'ltfs') await lookInDrive(catalog, settings, drive, tape);
  await transitionTape(catalog, tape.uuid, 'trust');
  const now = (await tapeByUuid(catalog, tape.uuid)) ?? tape;
  if (now.read_only === 1) {
    throw new TapeflowFailure(
      'ReadOnlyTape',
      english`The tape ${now.name} is only read from now on:
        ${now.reason ?? english`LTFS has made it read-only for good`}.`,
      { advice: english`No trust makes it take writes. ${copyOffAdvice(now)}` },
    );
  }
  return remindersOf(tape);
}

async function lookInDrive(
  catalog: Catalog,
  settings: Pick<Settings, 'DRIVE_ANSWER_SECONDS'>,
  drive: DriveSettings,
  tape: TapeRow,
): Promise<void> {
  const look = await queryDrive(settings, drive, async (asked) =>
    (await asked.label())?.uuid === tape.uuid ? { protection: await asked.writeProtection() } : undefined,
  ).catch(() => undefined);
  // A drive that is empty, silent or unreadable says nothing about this tape.
  if (look !== undefined) await noteReadOnly(catalog, tape, look.protection);
}

/** Only for a real tape, with a volume id: an error of a folder is its disk's. */
function remindersOf(tape: TapeRow): string[] {
  const { state, reason, volume } = tape;
  if (state !== 'suspect' || reason === null) return [];
  const reminders: string[] = [];
  if (reason.includes(untilRemounted))
    reminders.push(
      english`Unmount it and mount it again, if that was not done since: before, every write fails.`,
    );
  if (volume !== null && isWriteError(reason))
    reminders.push(
      english`A cartridge that had a write error is likely to have more: ${copyOffAdvice(tape)}`,
    );
  return reminders;
}
