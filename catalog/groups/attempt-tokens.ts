import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';

/** True when the first token is that of a later attempt of the same step. */
export function isLaterAttempt(token: string, than: string): boolean {
  const [later, earlier] = [stepOf(token), stepOf(than)];
  return later.step === earlier.step && later.attempt > earlier.attempt;
}

/** The step and attempt that a token names; see `Attempt.token`. A token of another form is a step of its own. */
function stepOf(token: string): { step: string; attempt: number } {
  const [, step = token, attempt = 0] = /^(.*)-(\d+)(?:\.\d+)?$/.exec(token) ?? [];
  return { step, attempt: Number(attempt) };
}

/**
 * The failure of an attempt when another one has the group. Transient: the server ignores the result of a stale
 * attempt, and a valid attempt that lost the group to a stale one must try again.
 */
export function staleAttempt(setId: string, no: number): TapeflowFailure {
  return new TapeflowFailure(
    'StaleAttempt',
    english`Another attempt has taken over group ${no} of set ${setId}.`,
    {
      kind: 'transient',
    },
  );
}
