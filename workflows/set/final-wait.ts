import { CancellationScope } from '@temporalio/workflow';
import type { SetRun } from './set-run.js';
import { rerunAfterWorkerDeath } from '../step-failures.js';

/**
 * Stage 3, on the hosts of all drives of the set; the first answer counts, so that a missing tape worker blocks only
 * its own drive.
 *
 * @returns the result of `waitForFinal`.
 */
export function waitInFinal(run: SetRun, ref: { setId: string; group: number }): Promise<number | null> {
  const looksOf = () =>
    run.writers.map((writer) =>
      rerunAfterWorkerDeath(() =>
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
