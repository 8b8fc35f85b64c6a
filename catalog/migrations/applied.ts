import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { migrations } from './migrations.js';

/**
 * The migrations that a catalog still lacks, in order; throws `CatalogNewer` when it has some that this program does
 * not know.
 */
export function requireKnown(applied: readonly string[]): string[] {
  const known = Object.keys(migrations);
  const newer = applied.filter((name) => !known.includes(name));
  if (newer.length > 0) {
    throw new TapeflowFailure(
      'CatalogNewer',
      english`The catalog was made by a newer tapeflow (${newer.join(', ')}).`,
      {
        advice: english`Use that version or a newer one.`,
      },
    );
  }
  return known.filter((name) => !applied.includes(name)).sort();
}
