import { accessSync, constants, statSync } from 'node:fs';
import { describeError } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** Checks that the programs of this host's hooks are there, and that nobody else says which they are. */
export function checkHooks({ hooks, origins }: Pick<Settings, 'hooks' | 'origins'>): Check[] {
  const checks: Check[] = [];
  for (const [name, hook] of Object.entries(hooks))
    for (const phase of ['before', 'after'] as const) {
      const program = hook[phase]?.[0];
      if (program === undefined) continue;
      const what = phase === 'before' ? english`hook ${name}, before` : english`hook ${name}, after`;
      checks.push(checkProgram(what, program));
    }
  if (checks.length > 0 && isWritableByOthers(origins.hooks))
    checks.push({
      what: english`hooks`,
      level: 'trouble',
      finding: english`others may write to ${origins.hooks}, and so run anything as the workers' user`,
      advice: `\`chmod go-w ${origins.hooks}\``,
    });
  return checks;
}

function checkProgram(what: string, program: string): Check {
  if (!program.includes('/'))
    return { what, level: 'ok', finding: english`${program}, by the PATH of the workers` };
  try {
    accessSync(program, constants.X_OK);
    return { what, level: 'ok', finding: program };
  } catch (error) {
    const finding = english`${program} cannot be run: ${describeError(error)}`;
    return { what, level: 'trouble', finding, advice: english`Name a program that the workers may run.` };
  }
}

function isWritableByOthers(file: string): boolean {
  if (process.platform === 'win32') return false;
  try {
    return (statSync(file).mode & 0o022) !== 0;
  } catch {
    return false;
  }
}
