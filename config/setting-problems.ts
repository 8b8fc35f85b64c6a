import type { z } from 'zod';

/** What is wrong with a setting, for the error message. */
export interface SettingProblem {
  /** The setting, or the unknown name: `drives.lto1.path`. */
  name: string;
  unknown: boolean;
  /** The rest of the sentence that begins with the setting. */
  problem: string;
  /** The names that are allowed there. */
  known: string[];
}

/** The first problem with `given`; an unknown name comes before all others, since it explains them. */
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

/** What a value has to be; our own messages say so, zod's only name types. */
function demandOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  const types: Record<string, string> = { string: 'text', record: 'a JSON object', object: 'a JSON object' };
  const type = types[issue.expected];
  return type === undefined ? issue.message : `must be ${type}`;
}

/** The known name that was probably meant: within a typing error or two, ignoring case and underscores. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toUpperCase().replaceAll(/[_-]/g, '');
  const most = Math.max(2, Math.floor(name.length / 4));
  let nearest: string | undefined;
  let least = most + 1;
  for (const other of known) {
    const distance = editDistance(plain(name), plain(other));
    // Any two-letter word is close to any other.
    if (distance < least && distance < plain(name).length - 1) [nearest, least] = [other, distance];
  }
  return nearest;
}

/** Number of letters to add, remove or change to turn one word into the other. */
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
