import { describeError } from '../../config/failures.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** Milliseconds that the endpoint has: it reads the catalog for its answer. */
const answerWithinMs = 10_000;

/** Checks that `METRICS_ADDRESS` (`ADDRESS:PORT`) is answered by the workers of this host, and names them. */
export async function checkMetrics(address: string): Promise<Check> {
  const what = english`metrics`;
  // An address of all interfaces is none to ask at.
  const url = `http://${address.replace(/^(0\.0\.0\.0|\[::\])/, '127.0.0.1')}/metrics`;
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) });
    text = await response.text();
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    if ((cause as NodeJS.ErrnoException).code === 'ECONNREFUSED')
      return { what, level: 'note', finding: english`nobody answers at ${url} now; workers that run do` };
    return {
      ...{ what, level: 'trouble', finding: english`${url} cannot be read: ${describeError(cause)}` },
      advice: english`The log of the workers says what they made of METRICS_ADDRESS.`,
    };
  }
  const started = text.matchAll(/^process_start_time_seconds\{worker="([^"]+)"\}/gm);
  const workers = [...started].map(([, worker = '']) => worker);
  if (workers.length === 0)
    return {
      ...{ what, level: 'trouble', finding: english`what answers at ${url} is not a worker of tapeflow` },
      advice: english`Give METRICS_ADDRESS an address that nothing else has, then restart the workers.`,
    };
  return { what, level: 'ok', finding: english`${url} tells of ${workers.sort().join(', ')}` };
}
