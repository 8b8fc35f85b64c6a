import { catalogFailure, isCatalogOutOfReach } from '../catalog/catalog-failure.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { replacedReason } from '../config/thread-program.js';

/**
 * Says why an error is a temporary condition of the machine; undefined when it belongs to the step. The attempt waits
 * as long as such a condition lasts: it uses up no attempts and parks nothing.
 */
export type Condition = (error: unknown) => string | undefined;

/**
 * What any step may meet: the catalog is out of reach (busy, or its disk is full, failing or read-only; never damage),
 * or the worker's program was replaced, and only a worker that is started anew can go on.
 */
export const usualCondition: Condition = (error) => {
  const replaced = replacedReason(error);
  if (replaced !== undefined) return replaced;
  if (!isCatalogOutOfReach(error)) return undefined;
  const failure = catalogFailure(error);
  return failure instanceof TapeflowFailure ? failure.message : describeError(error);
};

/** The same, or another drive is writing to the same tape: two paths lead to it, and only one may write at a time. */
export const driveCondition: Condition = (error) =>
  error instanceof TapeflowFailure && error.code === 'TapeBusy' ? error.message : usualCondition(error);
