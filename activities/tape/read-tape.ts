import { type WorkerReading, readCatalog, scratchFile } from '../../operations/rebuild/read-catalog.js';
import type { ArchiveReport } from '../../operations/rebuild/take-archive.js';
import { asked } from '../asked.js';
import { catalogCondition, inDrive } from '../attempt.js';
import type { DriveDeps } from '../deps.js';

/** Most bytes, as JSON, of the reports of a reading: the server takes 2 MiB, the rest of the result among them. */
const mostReportBytes = 900_000;
/** Most sentences about what is damaged; each is in its archive's report as well. */
const mostTroubles = 1000;

/**
 * Reads what the tape in the drive holds into the catalog, in the drive's slot, so that nothing is written meanwhile.
 */
export function readLoadedTape(deps: DriveDeps, { adopt }: { adopt: boolean }): Promise<WorkerReading> {
  const { settings, catalog, drive, lock } = deps;
  return inDrive(asked(deps), catalogCondition, async (attempt) => {
    const reports: ArchiveReport[] = [];
    const said: string[] = [];
    const reading = await readCatalog({
      ...{ drive, lock, catalog, adopt, scratch: scratchFile(settings, drive.settings) },
      say(sentence) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', why: sentence });
        if (said.length < mostTroubles) said.push(sentence);
      },
      onArchive(report) {
        attempt.throwIfCancelled();
        attempt.report({ step: 'reading the tape', set: report.setId, group: report.group });
        reports.push(report);
      },
    });
    const kept = fitting(reports);
    const troubles = reading.troubles.slice(0, mostTroubles);
    return { ...reading, troubles, said, reports: kept, more: reports.length - kept.length };
  });
}

/** As many reports as one message holds: all of them, or first those that say what is wrong, in their order. */
function fitting(reports: readonly ArchiveReport[]): ArchiveReport[] {
  const chosen = new Set<ArchiveReport>();
  let left = mostReportBytes;
  for (const isBad of [true, false])
    for (const report of reports) {
      if ((report.trouble !== null) !== isBad) continue;
      left -= Buffer.byteLength(JSON.stringify(report)) + 1;
      if (left < 0) return reports.filter((one) => chosen.has(one));
      chosen.add(report);
    }
  return [...reports];
}
