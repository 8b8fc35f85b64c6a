import { TapeflowFailure } from '../../config/failures.js';

/** The failure of a drive that has no tape which may be written. `reason` is for programs. */
export function tapeNotReady(reason: string, message: string, advice: string, details = {}): TapeflowFailure {
  return new TapeflowFailure('TapeNotReady', message, {
    kind: 'person',
    advice,
    details: { reason, ...details },
  });
}
