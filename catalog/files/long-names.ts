import { english } from '../../messages/sentence.js';
import { kindOf, numbersPerRow, type ScanRows } from './file-batch.js';

/**
 * The longest path in a catalog in PostgreSQL, in bytes: an entry of its indexes has 2,704, with the numbers that stand
 * before the path.
 */
const longest = 2500;

const reason = english`a path of more than ${longest} bytes begins like this, and a catalog in PostgreSQL
  cannot hold it: none of those was stored`;

/**
 * Makes skipped entries of those with longer paths, in place: of such a path only the beginning is kept, for which
 * there is one row, however many begin alike. Cut off so, all paths are still in the order of the walk.
 */
export function shortenNames({ rows, numbers, kinds, names, rare }: ScanRows): void {
  let [start, kept] = [0, 0];
  for (let row = 0; row < rows; row += 1) {
    const at = (row + 1) * numbersPerRow - 1;
    const end = numbers[at] ?? 0;
    const length = Math.min(end - start, longest);
    if (kept !== start) names.copyWithin(kept, start, start + length);
    if (length < end - start) {
      // A type that nothing makes a member of, or tries again.
      kinds[row] = kindOf('other', 'skipped');
      rare.set(row, { reason });
    }
    start = end;
    kept += length;
    numbers[at] = kept;
  }
}
