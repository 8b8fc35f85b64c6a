import { recordRunEnd } from '../../catalog/server/schedules.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Deps } from '../../operations/deps.js';
import type { ScheduleCall } from '../../operations/sets/scheduled-work.js';

/** Runs the last step of a schedule run's start. If it is refused for good, the run has ended with that sentence. */
export async function endingRefusedRun<Result>(
  { catalog, logger }: Deps,
  { name, runAt }: ScheduleCall,
  start: () => Promise<Result>,
): Promise<Result> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof TapeflowFailure && error.kind !== 'transient') {
      await recordRunEnd(catalog, name, runAt, error.sentence);
      logger.error({ schedule: name, code: error.code }, `schedule ${name}: ${error.sentence}`);
    }
    throw error;
  }
}
