import { CancellationScope } from '@temporalio/workflow';
import type { SetRun } from './set-run.js';
import { outlivingWorkers } from '../step-failures.js';

/**
 * Stage 3, on the host of every drive of the set, until the first of them answers: a tape worker that is away holds up
 * its own drive, and no other.
 *
 * @returns what `waitForFinal` does.
 */
export function waitInFinal(run: SetRun, ref: { setId: string; group: number }): Promise<number | null> {
  const looksOf = () =>
    run.writers.map((writer) =>
      outlivingWorkers(() =>
        writer.looking.waitForFinal.executeWithOptions({ summary: `group ${ref.group}: wait for final` }, [
          ref,
        ]),
      ),
    );
  return CancellationScope.cancellable(async () => {
    const looks = looksOf();
    for (const look of looks) look.catch(() => undefined);
    try {
      return await Promise.race(looks);
    } finally {
      if (looks.length > 1) CancellationScope.current().cancel();
    }
  });
}
