import { type Command, CommanderError } from 'commander';
import { escapeForTerminal } from '../entry/byte-string.js';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { homeDir } from '../config/home-dir.js';
import { languageInForce, speak } from '../config/language.js';
import { projectDir } from '../config/project-dir.js';
import { shown } from '../messages/shown.js';
import { catalogFailure } from '../catalog/catalog-failure.js';
import { exitCodes } from './exit-codes.js';
import { interruptedCode } from './follow/interrupt.js';
import { askedCommand } from './load-commands.js';
import { bannerNote, refuseNpmFlags } from './npm-flags.js';
import { joined } from '../messages/joined.js';
import { printNote } from './print/note.js';
import { programFor } from './program.js';
import { english } from '../messages/sentence.js';

// What is backed up may be private: catalog, logs, staging, tapes and everything else created here is only for this
// user. Workers and servers inherit this; a restore sets the modes of restored files itself.
process.umask(0o077);

const args = process.argv.slice(2);
const asksJson = (args.includes('--') ? args.slice(0, args.indexOf('--')) : args).includes('--json');

// JSON is for programs, which know English alone.
await speak(asksJson ? 'en' : languageInForce(process.env, homeDir(projectDir)));
const program = await programFor(args, { asksJson });
program.hook('preAction', (_program, command) => requireNoEmpty(command));

// `tapeflow ls SET | head`: the reader closed the pipe, which is no error.
process.stdout.on('error', (error) => {
  if (systemErrorCode(error) === 'EPIPE') process.exit(exitCodes.success);
  throw error;
});

try {
  refuseNpmFlags(askedCommand(program, args), args, process.env);
  const note = asksJson ? bannerNote(process.env) : undefined;
  if (note !== undefined) printNote(note, true);
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

/** An empty argument, for example from an unset variable in a script, never means the current folder or everything. */
function requireNoEmpty(command: Command): void {
  const isEmpty = (value: unknown) => value === '' || (Array.isArray(value) && value.includes(''));
  const option = command.options.find((known) => isEmpty(command.opts()[known.attributeName()]));
  if (option === undefined && !command.args.includes('')) return;
  throw usageFailure(
    'EmptyArgument',
    option === undefined
      ? english`An argument of \`tapeflow ${command.name()}\` is empty.`
      : english`The value of ${option.long ?? option.flags} of \`tapeflow ${command.name()}\` is empty.`,
    english`Nothing was done.`,
  );
}

/** Prints an error as one sentence, or with `--json` as one object, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (asksJson) sayError('WrongUsage', usageSentence(error), exitCodes.usage);
    return exitCodes.usage;
  }
  const failure = catalogFailure(error);
  const isOurs = failure instanceof TapeflowFailure;
  const exitCode = isOurs ? exitCodeOf(failure) : exitCodes.failure;
  if (asksJson && isOurs) sayError(failure.code, failure.message, exitCode, failure.advice);
  else if (asksJson) sayError(systemErrorCode(error) ?? 'Unexpected', describeError(error), exitCode);
  else writeError(isOurs ? [failure.message, failure.advice] : [describeError(failure)]);
  if (!isOurs && !asksJson && process.env['LOG_LEVEL'] === 'debug' && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCode;
}

function exitCodeOf({ code, kind }: TapeflowFailure): number {
  if (code === interruptedCode) return exitCodes.interrupted;
  return kind === 'usage' ? exitCodes.usage : exitCodes.failure;
}

/** Writes a failure's sentence, and what to do about it. */
function writeError(sentences: readonly (string | undefined)[]): void {
  const line = sentences
    .filter((sentence) => sentence !== undefined)
    .map(shown)
    .reduce(joined);
  const told = escapeForTerminal(`tapeflow: ${line}`);
  process.stderr.write(`${told}\n`);
}

/** Without a command there is only the help, which `--json` does not print. */
function usageSentence({ code, message }: CommanderError): string {
  return code === 'commander.help'
    ? 'Name a command.'
    : message.replace(/^error: /, '').replaceAll('\n', ' ');
}

function sayError(code: string, message: string, exitCode: number, advice: string | null = null): void {
  process.stderr.write(`${JSON.stringify({ error: { code, message, advice, exitCode } })}\n`);
}
