import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';
import { parseDuration } from '../durations.js';
import { text } from './setting-types.js';

const commandWanted = english`must be a list of the program and its arguments`;

/** A program and its arguments, run without a shell. */
const command = z.array(text, { error: commandWanted }).min(1, commandWanted).optional();

const timeWanted = english`must be a time such as 10min, 2h or 1d`;

/** What is run on the host of a set's sources before they are read, and when nothing reads them any more. */
export const hookSchema = z.strictObject({
  before: command,
  after: command,
  /** How long each of them may take; an hour when not given. */
  timeout: z
    .string({ error: timeWanted })
    .refine((given) => (parseDuration(given) ?? 0) > 0, { error: timeWanted })
    .optional(),
  /** What becomes of a set whose `before` fails. */
  onFailure: z.enum(['fail', 'continue'], { error: english`must be fail or continue` }).optional(),
});

/** A hook as the file has it. */
export type HookSettings = z.output<typeof hookSchema>;

const usualSeconds = 3600;

/** Seconds that each command of a hook has. */
export function hookSeconds({ timeout }: HookSettings): number {
  return (timeout === undefined ? undefined : parseDuration(timeout)) ?? usualSeconds;
}

/** Requires that this host has a hook of that name; throws a usage failure that lists those that it has. */
export function requireHook(hooks: Readonly<Record<string, HookSettings>>, name: string): void {
  if (Object.hasOwn(hooks, name)) return;
  const known = Object.keys(hooks).join(', ');
  throw usageFailure(
    'NoSuchHook',
    known === ''
      ? english`There is no hook ${JSON.stringify(name)}.`
      : english`There is no hook ${JSON.stringify(name)}; the hooks are: ${known}.`,
    english`\`hooks\` in tapeflow.config.json has them; docs/operations.md, "Hooks", has an example.`,
  );
}
