import type { z } from 'zod';

/** What is wrong with a setting, for the sentence that tells it. */
export interface SettingProblem {
  /** The setting, or for one that there is not its name: `drives.lto1.path`. */
  name: string;
  unknown: boolean;
  /** The rest of the sentence that begins with the setting. */
  problem: string;
  /** The names that are known in its place. */
  known: string[];
}

/** The first thing that is wrong with `given`; a name that there is not before all others, since it explains them. */
export function firstProblem(
  error: z.ZodError,
  given: Record<string, unknown>,
  knownIn: (path: PropertyKey[]) => string[],
): SettingProblem {
  const strange = error.issues.find((issue) => issue.code === 'unrecognized_keys');
  if (strange !== undefined) {
    const name = [...strange.path, strange.keys[0] ?? ''].join('.');
    return { name, unknown: true, problem: 'is unknown', known: knownIn(strange.path) };
  }
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const value = path.reduce<unknown>(
    (inner, key) => (inner !== null && typeof inner === 'object' ? Reflect.get(inner, key) : undefined),
    given,
  );
  const problem =
    issue === undefined
      ? 'is wrong'
      : issue.code === 'invalid_key'
        ? `has a name that is wrong: it ${issue.issues[0]?.message ?? 'cannot be that'}`
        : value === undefined
          ? 'is missing'
          : `is ${JSON.stringify(value)}: it ${demandOf(issue)}`;
  return { name: path.join('.'), unknown: false, problem, known: [] };
}

/** What a value has to be; our own messages say it, zod's speak of its types. */
function demandOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  const types: Record<string, string> = { string: 'text', record: 'a JSON object', object: 'a JSON object' };
  const type = types[issue.expected];
  return type === undefined ? issue.message : `must be ${type}`;
}

/**
 * The known name that was probably meant: as near as a slip or two of the fingers, whatever its case and underscores.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toUpperCase().replaceAll(/[_-]/g, '');
  const most = Math.max(2, Math.floor(name.length / 4));
  let nearest: string | undefined;
  let least = most + 1;
  for (const other of known) {
    const distance = editDistance(plain(name), plain(other));
    // A word of two letters is near to every other of two.
    if (distance < least && distance < plain(name).length - 1) [nearest, least] = [other, distance];
  }
  return nearest;
}

/** Letters to add, to take out or to change, until one word is the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= to.length; column += 1) {
      const changed = (row[column - 1] ?? 0) + (from[line - 1] === to[column - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
