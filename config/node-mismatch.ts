import { english } from '../messages/sentence.js';
import { TapeflowFailure, systemErrorCode } from './failures.js';
import { projectDir } from './project-dir.js';

/**
 * The failure for a package that was compiled for another Node version, as after a system update; undefined for any
 * other error.
 */
export function nodeMismatch(error: unknown): TapeflowFailure | undefined {
  if (systemErrorCode(error) !== 'ERR_DLOPEN_FAILED' || !(error instanceof Error)) return undefined;
  const [, compiled, wanted] =
    /NODE_MODULE_VERSION (\d+)[^]*?NODE_MODULE_VERSION (\d+)/.exec(error.message) ?? [];
  const why =
    compiled === undefined
      ? (error.message.split('\n', 1)[0] ?? '').replace(/\.$/, '')
      : english`it was compiled for another version of Node (ABI ${compiled} instead of ${wanted ?? ''})`;
  return new TapeflowFailure(
    'WrongNode',
    english`The package better-sqlite3 does not load in Node ${process.version}: ${why}.`,
    { advice: english`\`npm rebuild better-sqlite3\` in ${projectDir} fixes it.`, cause: error },
  );
}
