import { Command, CommanderError } from 'commander';
import { visible } from '../entry/byte-string.js';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { projectVersion } from '../config/project-dir.js';
import { catalogFailure } from '../catalog/catalog-failure.js';
import { exitCodes } from './exit-codes.js';
import { askedCommand, loadCommands } from './load-commands.js';
import { bannerNote, requireOwnFlags } from './npm-flags.js';
import { sayAside } from './print/say.js';

// What is backed up may not be for everybody: catalog, logs, staging, tapes and all that is made here is for this user
// alone. Workers and servers inherit it; a restore sets the modes of what it brings back by itself.
process.umask(0o077);

const args = process.argv.slice(2);
const asksJson = (args.includes('--') ? args.slice(0, args.indexOf('--')) : args).includes('--json');

const program = new Command('tapeflow')
  .description('Backs up to LTO tape: plain tar archives, one durable workflow per backup set.')
  .version(projectVersion)
  .option('--json', 'print JSON: one object on each line')
  .exitOverride()
  .showHelpAfterError('(`tapeflow help` lists the commands)')
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'tapeflow: ')),
    // What is wrong with the arguments is told as any other error is.
    ...(asksJson ? { writeErr: () => undefined } : {}),
  });

await loadCommands(program, args);
inheritJson(program);
program.hook('preAction', (_program, command) => requireNoEmpty(command));

// `tapeflow ls SET | head`: the reader has had enough, and there is nothing to complain of.
process.stdout.on('error', (error) => {
  if (systemErrorCode(error) === 'EPIPE') process.exit(exitCodes.success);
  throw error;
});

try {
  requireOwnFlags(askedCommand(program, args), args, process.env);
  const note = asksJson ? bannerNote(process.env) : undefined;
  if (note !== undefined) sayAside(note, true);
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

/** `--json` may stand before the command and after it; help and errors are the same everywhere. */
function inheritJson(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    if (command.commands.length === 0) command.option('--json', 'print JSON: one object on each line');
    inheritJson(command);
  }
}

/**
 * An empty argument, such as an unset variable of a script leaves, is never taken for the current folder or for all.
 */
function requireNoEmpty(command: Command): void {
  const isEmpty = (value: unknown) => value === '' || (Array.isArray(value) && value.includes(''));
  const option = command.options.find((known) => isEmpty(command.opts()[known.attributeName()]));
  if (option === undefined && !command.args.includes('')) return;
  const what = option === undefined ? 'An argument' : `The value of ${option.long ?? option.flags}`;
  throw usageFailure(
    'EmptyArgument',
    `${what} of \`tapeflow ${command.name()}\` is empty.`,
    'Nothing was done.',
  );
}

/** Prints what went wrong as one sentence, or with `--json` as one object, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (asksJson) sayError('WrongUsage', usageSentence(error), exitCodes.usage);
    return exitCodes.usage;
  }
  const failure = catalogFailure(error, 'of this installation');
  const isOurs = failure instanceof TapeflowFailure;
  const exitCode = isOurs && failure.kind === 'usage' ? exitCodes.usage : exitCodes.failure;
  if (asksJson && isOurs) sayError(failure.code, failure.message, exitCode, failure.advice);
  else if (asksJson) sayError(systemErrorCode(error) ?? 'Unexpected', describeError(error), exitCode);
  else process.stderr.write(`tapeflow: ${visible(isOurs ? failure.sentence : describeError(failure))}\n`);
  if (!isOurs && !asksJson && process.env['LOG_LEVEL'] === 'debug' && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCode;
}

/** Without a command there is nothing but the help, which `--json` does not print. */
function usageSentence({ code, message }: CommanderError): string {
  return code === 'commander.help'
    ? 'Name a command.'
    : message.replace(/^error: /, '').replaceAll('\n', ' ');
}

function sayError(code: string, message: string, exitCode: number, advice: string | null = null): void {
  process.stderr.write(`${JSON.stringify({ error: { code, message, advice, exitCode } })}\n`);
}
