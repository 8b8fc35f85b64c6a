import { fromText } from './byte-string.js';
import { globFilter } from './globs.js';

/** One component of a pattern: `**`, a name, or a test of a name; names are byte strings. */
type Part = { any: true } | { name: string } | { test: (name: string) => boolean };

/**
 * A gitignore-style pattern in its parts, anchored at the root of the file system. One without a slash, other than at
 * its end, begins with `**`: it matches at any depth.
 */
export interface PathPattern {
  parts: Part[];
  /** It ends in a slash: it matches folders only. */
  folderOnly: boolean;
}

/** What is a wildcard or an escape in a component. */
const special = /[\\*?[]/;

export function parsePathPattern(text: string): PathPattern {
  const folderOnly = text.endsWith('/');
  const plain = folderOnly ? text.slice(0, -1) : text;
  const parts = plain
    .split('/')
    .filter((part) => part !== '')
    .map(partOf);
  return { parts: plain.includes('/') ? parts : [{ any: true }, ...parts], folderOnly };
}

function partOf(text: string): Part {
  if (/^\*\*+$/.test(text)) return { any: true };
  const name = literalOf(text);
  // In a component of its own neither is a sign.
  return name === undefined ? { test: globFilter([text.replace(/^[!#]/, '\\$&')]) } : { name };
}

/** The name, a byte string, that a component without wildcards means; undefined for one with wildcards. */
export function literalOf(text: string): string | undefined {
  const plain = text.replace(/\\(.)/gs, (_, character: string) => (special.test(character) ? '' : character));
  if (special.test(plain)) return undefined;
  return fromText(text.replace(/\\(.)/gs, '$1'));
}

/** The component that means exactly this name. */
export function escapePart(name: string): string {
  return name.replace(/[\\*?[\]]/g, '\\$&');
}

/** True when a pattern matches exactly the path of these names. */
export function matches({ parts }: PathPattern, names: readonly string[]): boolean {
  return matchFrom(parts, 0, names, 0);
}

function matchFrom(parts: readonly Part[], part: number, names: readonly string[], at: number): boolean {
  const now = parts[part];
  if (now === undefined) return at === names.length;
  if ('any' in now) {
    // At the end it stands for everything in a folder, not for the folder itself.
    if (part === parts.length - 1) return at < names.length;
    for (let next = at; next <= names.length; next += 1)
      if (matchFrom(parts, part + 1, names, next)) return true;
    return false;
  }
  const name = names[at];
  return name !== undefined && isName(now, name) && matchFrom(parts, part + 1, names, at + 1);
}

/** True when a pattern could match the path of these names, or something below it. */
export function leadsInto({ parts }: PathPattern, names: readonly string[]): boolean {
  for (const [at, name] of names.entries()) {
    const now = parts[at];
    if (now === undefined) return false;
    if ('any' in now) return true;
    if (!isName(now, name)) return false;
  }
  return true;
}

function isName(part: Exclude<Part, { any: true }>, name: string): boolean {
  return 'name' in part ? part.name === name : part.test(name);
}
