import { TapeflowFailure } from '../../config/failures.js';

/** The failure for a drive without a suitable tape. `reason` is for programs. */
export function tapeNotReady(reason: string, message: string, advice: string, details = {}): TapeflowFailure {
  return new TapeflowFailure('TapeNotReady', message, {
    kind: 'person',
    advice,
    details: { reason, ...details },
  });
}
