import { Command, CommanderError } from 'commander';
import { visible } from '../archive/byte-string.js';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../config/failures.js';
import { projectVersion } from '../config/project-dir.js';
import { catalogFailure } from '../catalog/catalog-failure.js';
import { exitCodes } from './exit-codes.js';
import { loadCommands } from './load-commands.js';

// What is backed up may not be for everybody: catalog, logs, staging, tapes and all that is made here is for this user
// alone. Workers and servers inherit it; a restore sets the modes of what it brings back by itself.
process.umask(0o077);

const program = new Command('tapeflow')
  .description('Backs up to LTO tape: plain tar archives, one durable workflow per backup set.')
  .version(projectVersion)
  .option('--json', 'print JSON: one object on each line')
  .exitOverride()
  .showHelpAfterError('(`tapeflow help` lists the commands)')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'tapeflow: ')) });

await loadCommands(program, process.argv.slice(2));
inheritJson(program);
program.hook('preAction', (_program, command) => requireNoEmpty(command));

// `tapeflow ls SET | head`: the reader has had enough, and there is nothing to complain of.
process.stdout.on('error', (error) => {
  if (systemErrorCode(error) === 'EPIPE') process.exit(exitCodes.success);
  throw error;
});

try {
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

/** An empty argument, such as an unset variable of a script leaves, is never taken for the current folder or for all. */
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

/** Prints what went wrong as one sentence, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  const failure = catalogFailure(error, 'of this installation');
  if (failure instanceof TapeflowFailure) {
    process.stderr.write(`tapeflow: ${visible(failure.sentence)}\n`);
    return failure.kind === 'usage' ? exitCodes.usage : exitCodes.failure;
  }
  process.stderr.write(`tapeflow: ${visible(describeError(error))}\n`);
  if (process.env['LOG_LEVEL'] === 'debug' && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCodes.failure;
}
