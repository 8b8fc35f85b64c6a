import ignore, { type Ignore } from 'ignore';
import { english } from '../messages/sentence.js';
import { toBytes } from './byte-string.js';

/** Number of names after which the matcher is recreated: it caches every name it has been asked about. */
const matcherLife = 10_000;

/** What is wrong with a glob, so that it matches nothing, and what to write instead; undefined when it is a pattern. */
export function globProblem(glob: string): { fault: string; advice: string } | undefined {
  if (glob === '')
    return { fault: english`it is empty`, advice: english`Give a name or a pattern, such as \`*.log\`.` };
  if (glob.startsWith('#'))
    return {
      fault: english`it begins with a #, as comments do`,
      advice: english`Write \`\\#\` for the character itself.`,
    };
  if (/^(?:[^\\]|\\.)*\\$/s.test(glob))
    return { fault: english`it ends in a \\`, advice: english`Write \`\\\\\` for the character itself.` };
  // A bracket holds at least one character, which may be a `]`.
  const rest = glob.replace(/\\./gs, '').replace(/\[(?:[!^].|[^!^])[^\]]*\]/gs, '');
  if (rest.includes('['))
    return {
      fault: english`a [ in it is not closed`,
      advice: english`Write \`\\[\` for the character itself.`,
    };
  return undefined;
}

/**
 * A blank or a line end at the end of a glob counts, as everywhere in it: gitignore's rules would drop it, and the glob
 * would mean another name.
 */
function keepEnd(glob: string): string {
  return glob.replace(/(\\*)([ \r\n]+)$/, (_, slashes: string, blanks: string) => {
    // An odd one escapes the first blank.
    const kept = slashes.slice(0, slashes.length - (slashes.length % 2));
    return `${kept}${blanks.replace(/./gs, '[$&]')}`;
  });
}

/**
 * Tells whether a member name, or a folder above it, matches one of some gitignore-style globs, which are anchored at
 * the root of the file system. Globs are text; in a name that is not valid UTF-8 each invalid byte counts as one
 * character that only wildcards match.
 */
export function globFilter(globs: readonly string[]): (name: string) => boolean {
  if (globs.length === 0) return () => false;
  // As a list: a single text would be cut into patterns at its line ends.
  const make = (): Ignore => ignore({ allowRelativePaths: true, ignorecase: false }).add(globs.map(keepEnd));
  let matcher = make();
  let asked = 0;
  return (name) => {
    if (++asked % matcherLife === 0) matcher = make();
    return matcher.ignores(toBytes(name).toString('utf8'));
  };
}

/** A glob that only a name itself matches. */
export function literalGlob(name: string): string {
  return name.replace(/[\\*?[\]!#]|\s$/g, '\\$&');
}
