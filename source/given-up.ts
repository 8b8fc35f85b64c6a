import { TapeflowFailure } from '../config/failures.js';
import type { ThreadWatch } from '../disk/thread-watch.js';
import { english } from '../messages/sentence.js';

/**
 * Throws when a scan was given up while its source did not answer: what it does in the catalog since counts no more.
 */
export function requireNotGivenUp({ order }: ThreadWatch): void {
  if (order === 'given up')
    throw new TapeflowFailure('LeftBehind', english`The scan was given up while its source did not answer.`, {
      kind: 'transient',
    });
}
