import { TapeflowFailure } from '../../config/failures.js';

/** True when the first token is that of a later attempt of the same step. */
export function isLaterAttempt(token: string, than: string): boolean {
  const [later, earlier] = [stepOf(token), stepOf(than)];
  return later.step === earlier.step && later.attempt > earlier.attempt;
}

/** The step and the attempt that a token names; see `Attempt.token`. One of another form is a step of its own. */
function stepOf(token: string): { step: string; attempt: number } {
  const [, step = token, attempt = 0] = /^(.*)-(\d+)(?:\.\d+)?$/.exec(token) ?? [];
  return { step, attempt: Number(attempt) };
}

/**
 * What an attempt fails with when another has the group. Transient: of a stale attempt the server takes no result, and
 * a valid one, from which a stale one took the group as it woke up, has to try again.
 */
export function staleAttempt(setId: string, no: number): TapeflowFailure {
  return new TapeflowFailure('StaleAttempt', `Another attempt has taken over group ${no} of set ${setId}.`, {
    kind: 'transient',
  });
}
