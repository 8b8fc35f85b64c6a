import { type WorkerTapeImport, importTape, scratchFile } from '../../operations/rebuild/import-tape.js';
import type { ArchiveReport } from '../../operations/rebuild/import-tape-archive.js';
import { asked } from '../asked.js';
import { asDriveAttempt } from '../attempt.js';
import { catalogCondition } from '../conditions.js';
import type { DriveDeps } from '../../operations/deps.js';

/** Maximum bytes of the reports as JSON: the server accepts 2 MiB for the whole result. */
const maxReportBytes = 900_000;
/** Maximum number of sentences about damage; each is in its archive's report too. */
const maxTroubles = 1000;

/** Imports the tape in the drive into the catalog, in the drive's slot, so that nothing is written meanwhile. */
export function readLoadedTape(deps: DriveDeps, { adopt }: { adopt: boolean }): Promise<WorkerTapeImport> {
  const { settings, catalog, drive, lock } = deps;
  return asDriveAttempt(asked(deps), catalogCondition, async (attempt) => {
    const reports: ArchiveReport[] = [];
    const said: string[] = [];
    const reading = await importTape({
      ...{ drive, lock, catalog, adopt, scratch: scratchFile(settings, drive.settings) },
      say(sentence) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', why: sentence });
        if (said.length < maxTroubles) said.push(sentence);
      },
      onArchive(report) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', set: report.setId, group: report.group });
        reports.push(report);
      },
    });
    const kept = fitting(reports);
    const troubles = reading.troubles.slice(0, maxTroubles);
    return { ...reading, troubles, said, reports: kept, more: reports.length - kept.length };
  });
}

/** As many reports as fit one message: all, or those with problems first, in order. */
function fitting(reports: readonly ArchiveReport[]): ArchiveReport[] {
  const chosen = new Set<ArchiveReport>();
  let left = maxReportBytes;
  for (const isBad of [true, false])
    for (const report of reports) {
      if ((report.trouble !== null) !== isBad) continue;
      left -= Buffer.byteLength(JSON.stringify(report)) + 1;
      if (left < 0) return reports.filter((one) => chosen.has(one));
      chosen.add(report);
    }
  return [...reports];
}
