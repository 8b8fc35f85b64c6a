import ignore, { type Ignore } from 'ignore';
import { toBytes } from '../archive/byte-string.js';

/** Names after which the matcher is made anew: it remembers every name that it was asked about. */
const matcherLife = 10_000;

/**
 * Tells whether a member name, or a folder above it, matches one of some gitignore-style globs, which are anchored at the
 * root of the file system. Globs are text; in a name that is no UTF-8 each wrong byte counts as one odd character, which
 * only wildcards match.
 */
export function globFilter(globs: readonly string[]): (name: string) => boolean {
  if (globs.length === 0) return () => false;
  // As a list: a single text would be cut into patterns at its line ends.
  const make = (): Ignore => ignore({ allowRelativePaths: true, ignorecase: false }).add([...globs]);
  let matcher = make();
  let asked = 0;
  return (name) => {
    if (++asked % matcherLife === 0) matcher = make();
    return matcher.ignores(toBytes(name).toString('utf8'));
  };
}
