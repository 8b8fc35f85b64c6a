import { type WorkerTapeImport, importTape, scratchFile } from '../../operations/rebuild/import-tape.js';
import type { ArchiveReport } from '../../operations/rebuild/import-tape-archive.js';
import { identitiesHere } from '../../operations/encryption/identities.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { usualCondition } from '../conditions.js';
import { inOneMessage } from './one-message.js';
import type { DriveDeps } from '../../operations/deps.js';

/** Imports the tape in the drive into the catalog, in the drive's slot, so that nothing is written meanwhile. */
export function readLoadedTape(
  deps: DriveDeps,
  { adopt, identity }: { adopt: boolean; identity?: string },
): Promise<WorkerTapeImport> {
  const { settings, catalog, drive, lock } = deps;
  return asDriveAttempt(asked(deps), usualCondition, async (attempt) => {
    const reports: ArchiveReport[] = [];
    const said: string[] = [];
    const reading = await importTape({
      ...{ drive, lock, catalog, adopt, scratch: scratchFile(settings, drive.settings) },
      identities: () => identitiesHere(settings, identity),
      say(sentence) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', why: sentence });
        said.push(sentence);
      },
      onArchive(report) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', set: report.setId, group: report.group });
        reports.push(report);
      },
    });
    return inOneMessage(reading, said, reports);
  });
}
