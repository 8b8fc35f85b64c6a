import { closestMatch } from 'leven';
import { english } from '../../messages/sentence.js';
import { usageFailure } from '../failures.js';
import { variablesOf } from './channels.js';
import { configFileVariable } from './read-config-file.js';
import { settingsSchema } from './settings-schema.js';

/** Variables that begin with `TAPEFLOW_` but are not settings; set by our own scripts and tests. */
const ownVariables = new Set([
  'TAPEFLOW_EMBEDDED_ADDRESS',
  'TAPEFLOW_TEST_FILES',
  'TAPEFLOW_REQUIRE_FUSE',
  'TAPEFLOW_SOURCE_DIR',
  // What a hook's command is told, which may be tapeflow itself.
  'TAPEFLOW_HOOK',
  'TAPEFLOW_HOOK_PHASE',
  'TAPEFLOW_HOOK_SET',
  'TAPEFLOW_HOOK_STATE',
  configFileVariable,
]);

/** Throws a usage failure for a setting that does not exist, in the file or in the environment. */
export function checkNames(env: NodeJS.ProcessEnv, file: Record<string, unknown>, fileName: string): void {
  const known = new Set([
    '$schema',
    ...Object.keys(settingsSchema.shape),
    'drives',
    'pools',
    'notify',
    'hooks',
  ]);
  for (const name of Object.keys(file)) {
    if (!known.has(name)) {
      throw usageFailure(
        'UnknownSetting',
        english`${fileName} has an unknown setting ${JSON.stringify(name)}.`,
        didYouMean(name, known),
      );
    }
  }
  const allowed = new Set([...known, ...ownVariables, ...variablesOf(file['notify'])]);
  for (const name of Object.keys(env)) {
    if (name.startsWith('TAPEFLOW_') && !allowed.has(name)) {
      throw usageFailure(
        'UnknownSetting',
        english`The environment has an unknown setting ${name}.`,
        didYouMean(name, known),
      );
    }
  }
}

/** The nearest name, or those that share most of its parts; only a hint. */
export function didYouMean(name: string, known: Set<string>): string {
  const nearest = nearestName(name, known);
  if (nearest !== undefined) return english`Did you mean ${nearest}?`;
  const parts = new Set(name.toUpperCase().split('_'));
  const near = [...known].filter((other) => other.split('_').filter((part) => parts.has(part)).length >= 2);
  return near.length > 0
    ? `Did you mean ${near.slice(0, 3).join(' or ')}?`
    : known.size < 5
      ? english`Allowed are: ${[...known].join(', ')}.`
      : english`\`tapeflow doctor\` lists every setting.`;
}

/** The known name that was probably meant: within a typing error or two, ignoring case and underscores. */
function nearestName(name: string, known: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toUpperCase().replaceAll(/[_-]/g, '');
  const given = plain(name);
  const names = new Map([...known].map((other) => [plain(other), other]));
  // Any two-letter word is close to any other.
  const maxDistance = Math.min(Math.max(2, Math.floor(name.length / 4)), given.length - 2);
  return names.get(closestMatch(given, [...names.keys()], { maxDistance }) ?? '');
}
