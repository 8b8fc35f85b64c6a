import type { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';

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
    return { name, unknown: true, problem: english`is unknown`, known: knownIn(strange.path) };
  }
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const value = path.reduce<unknown>(
    (inner, key) => (inner !== null && typeof inner === 'object' ? Reflect.get(inner, key) : undefined),
    given,
  );
  const problem =
    issue === undefined
      ? english`is wrong`
      : issue.code === 'invalid_key'
        ? english`has a name that is wrong: it ${issue.issues[0]?.message ?? english`cannot be that`}`
        : value === undefined
          ? english`is missing`
          : english`is ${shownValue(value)}: it ${demandOf(issue)}`;
  return { name: path.join('.'), unknown: false, problem, known: [] };
}

/** A value as it was given; no secret key of age, which may have been taken for its recipient. */
function shownValue(value: unknown): string {
  return JSON.stringify(value).replaceAll(/AGE-SECRET-KEY-[^\s",]*/gi, 'AGE-SECRET-KEY-…');
}

/** What a value has to be; our own messages say so, zod's only name types. */
function demandOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  const types: Record<string, string> = {
    string: english`text`,
    record: english`a JSON object`,
    object: english`a JSON object`,
  };
  const type = types[issue.expected];
  return type === undefined ? issue.message : english`must be ${type}`;
}

/** The failure of a setting; `where` it comes from, `problem` the rest of the sentence. */
export function wrongSetting(name: string, where: string, problem: string): Error {
  const message =
    where === 'environment'
      ? english`The setting ${name} (from environment) ${problem}.`
      : where === 'default'
        ? english`The setting ${name} (from default) ${problem}.`
        : english`The setting ${name} (from ${where}) ${problem}.`;
  return usageFailure('WrongSetting', message);
}
