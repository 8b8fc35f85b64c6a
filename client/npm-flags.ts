import type { Command, Option } from 'commander';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { usageFailure } from '../config/failures.js';
import { english } from '../messages/sentence.js';

/** Scripts in `package.json` that run a command. */
const scripts = ['backup', 'tapeflow'];

/** True when `npm run` of this project started the process. */
function isRunByNpm(env: NodeJS.ProcessEnv): boolean {
  return env['npm_package_name'] === 'tapeflow' && scripts.includes(env['npm_lifecycle_event'] ?? '');
}

/**
 * Refuses a command whose options npm kept: `npm run backup /srv --detach` passes only `/srv`, and the option is
 * visible only in the environment.
 */
export function refuseNpmFlags(command: Command, args: readonly string[], env: NodeJS.ProcessEnv): void {
  if (!isRunByNpm(env)) return;
  const swallowed = command.options.filter((option) => !isGiven(option, args) && isAtNpm(option, env));
  if (swallowed.length === 0) return;
  const flags = swallowed.map(({ long, short }) => long ?? short).join(' and ');
  const script = env['npm_lifecycle_event'] ?? '';
  throw usageFailure(
    'FlagsAtNpm',
    english`npm has kept ${flags} for itself.`,
    english`Write \`--\` before what is meant for tapeflow: \`npm run ${script} -- …\`.`,
  );
}

/** A note when npm's own lines precede the JSON on stdout; undefined when they do not. */
export function bannerNote(env: NodeJS.ProcessEnv): string | undefined {
  if (!isRunByNpm(env) || env['npm_config_loglevel'] === 'silent') return undefined;
  const script = env['npm_lifecycle_event'] ?? '';
  return english`npm's own lines stand before this JSON: \`npm run -s ${script} -- …\` leaves them out.`;
}

function isGiven({ long, short }: Option, args: readonly string[]): boolean {
  return args.some((arg) => arg === short || (long != null && (arg === long || arg.startsWith(`${long}=`))));
}

/** True when npm got the option on its command line: it is in npm's settings but in none of its files. */
function isAtNpm({ long, short, negate }: Option, env: NodeJS.ProcessEnv): boolean {
  return [long, short].some((flag) => {
    const key = flag?.replace(/^--?(no-)?/, '');
    if (key === undefined) return false;
    const value = env[`npm_config_${key.replaceAll('-', '_')}`];
    // npm represents `false` by an empty value.
    if (value === undefined || (value === '') !== (negate && flag === long)) return false;
    return !isInNpmFiles(key, env);
  });
}

function isInNpmFiles(key: string, env: NodeJS.ProcessEnv): boolean {
  const {
    npm_config_userconfig: ofUser,
    npm_config_globalconfig: ofAll,
    npm_config_local_prefix: project,
  } = env;
  const files = [ofUser, ofAll, project === undefined ? undefined : path.join(project, '.npmrc')];
  return files.some((file) => {
    if (file === undefined || !existsSync(file)) return false;
    const names = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split('=', 1)[0]?.trim());
    return names.includes(key);
  });
}
