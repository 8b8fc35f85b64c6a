import { english } from '../messages/sentence.js';
import { TapeflowFailure } from '../config/failures.js';
import { shownCatalog } from '../config/catalog-url.js';
import {
  isServerOutOfReach,
  isServerReadOnly,
  serverCode,
  serverSentences,
} from './postgres/server-error.js';
import * as sqlite from './sqlite/catalog-failure.js';

/**
 * True when the catalog cannot be used now, but may be later: locked, its disk full, failing or read-only, its server
 * away. Not for damage. A transaction that met this has changed nothing, or its step finds that it was done.
 */
export function isCatalogOutOfReach(error: unknown): boolean {
  return sqlite.isCatalogOutOfReach(error) || isServerOutOfReach(error);
}

/** True when this user, or this connection, may not write to the catalog. */
export function isCatalogReadOnly(error: unknown): boolean {
  return sqlite.isCatalogReadOnly(error) || isServerReadOnly(error);
}

/**
 * A failure with one sentence for an error of the catalog; other errors are returned unchanged.
 *
 * @param catalog its path or URL, of which no password is shown; that of this installation when not given.
 */
export function catalogFailure(error: unknown, catalog = english`of this installation`): unknown {
  if (serverCode(error) === undefined) return sqlite.catalogFailure(error, catalog);
  const told = serverSentences(error, shownCatalog(catalog));
  if (told === undefined) return error;
  const { name, message, advice } = told;
  const kind = isServerOutOfReach(error) ? ({ kind: 'transient' } as const) : {};
  return new TapeflowFailure(name, message, { advice, cause: error, ...kind });
}
