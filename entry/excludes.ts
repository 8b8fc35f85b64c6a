import { globFilter } from './globs.js';
import { leadsInto, matches, parsePathPattern, type PathPattern } from './path-pattern.js';

/**
 * An exclude as a set keeps it: a pattern, anchored at the root of the file system as those of sets of version 0.1 are,
 * or one as it was given with the patterns that it stands for. A `!` before it keeps what matches.
 */
export type ExcludeRule = string | { given: string; means: string[] };

/** An exclude as it was given. */
export function givenText(rule: ExcludeRule): string {
  return typeof rule === 'string' ? rule : rule.given;
}

/** True for one that keeps what it matches. */
function isKeeping(rule: ExcludeRule): boolean {
  return givenText(rule).startsWith('!');
}

/** The patterns of a rule, without the `!`. */
function patternsOf(rule: ExcludeRule): string[] {
  if (typeof rule !== 'string') return rule.means;
  return [isKeeping(rule) ? rule.slice(1) : rule];
}

/**
 * Decides by a list of excludes. An exclude matches an entry when it matches its path or that of a folder above it,
 * up to the source itself, never above the source. Of those that match the last one decides.
 */
export class Excludes {
  private readonly rules: { keeps: boolean; patterns: PathPattern[] }[];
  /** False for a name that no exclude takes; most names end here. */
  private readonly mayMatch: (name: string) => boolean;
  private readonly lastKeeping: number;

  constructor(rules: readonly ExcludeRule[]) {
    this.rules = rules.map((rule) => ({
      keeps: isKeeping(rule),
      patterns: patternsOf(rule).map(parsePathPattern),
    }));
    this.mayMatch = globFilter(rules.filter((rule) => !isKeeping(rule)).flatMap(patternsOf));
    this.lastKeeping = this.rules.findLastIndex(({ keeps }) => keeps);
  }

  /** True for a rule that keeps what it matches. */
  keeps(rule: number): boolean {
    return this.rules[rule]?.keeps === true;
  }

  /**
   * The index of the rule that decides about an entry: it is left out unless the rule keeps it; undefined: none does.
   *
   * @param name member name, a byte string; that of a folder ends in `/`.
   * @param depth number of names in the member name of the source; 0 for the root of the file system.
   */
  decides(name: string, depth: number): number | undefined {
    if (!this.mayMatch(name)) return undefined;
    const isFolder = name.endsWith('/');
    const names = (isFolder ? name.slice(0, -1) : name).split('/');
    for (let index = this.rules.length - 1; index >= 0; index -= 1) {
      const rule = this.rules[index];
      if (rule?.patterns.some((pattern) => isMatch(pattern, names, Math.max(1, depth), isFolder)) === true)
        return index;
    }
    return undefined;
  }

  /** True when in a folder that a rule leaves out a later one may keep something. */
  mayKeepIn(folder: string, rule: number): boolean {
    if (this.lastKeeping <= rule) return false;
    const names = folder.slice(0, -1).split('/');
    return this.rules.some(
      ({ keeps, patterns }, index) =>
        index > rule && keeps && patterns.some((pattern) => leadsInto(pattern, names)),
    );
  }
}

function isMatch(pattern: PathPattern, names: readonly string[], from: number, isFolder: boolean): boolean {
  for (let depth = from; depth <= names.length; depth += 1) {
    if (pattern.folderOnly && depth === names.length && !isFolder) continue;
    if (matches(pattern, depth === names.length ? names : names.slice(0, depth))) return true;
  }
  return false;
}
