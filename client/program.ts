import { Command } from 'commander';
import { projectVersion } from '../config/project-dir.js';
import { loadAllCommands, loadCommands } from './load-commands.js';

/** What is different while a command's errors are objects: `--json`. */
interface ProgramOptions {
  asksJson: boolean;
}

/** The program with the commands that the arguments after `tapeflow` ask for; see `loadCommands`. */
export async function programFor(args: readonly string[], options: ProgramOptions): Promise<Command> {
  const program = emptyProgram(options);
  await loadCommands(program, args);
  inheritJson(program);
  return program;
}

/** The program with every command, for what tells of all of them: completions and the manual page. */
export async function wholeProgram(): Promise<Command> {
  const program = emptyProgram({ asksJson: false });
  await loadAllCommands(program);
  inheritJson(program);
  return program;
}

function emptyProgram({ asksJson }: ProgramOptions): Command {
  return new Command('tapeflow')
    .description('Backs up to LTO tape: plain tar archives, one durable workflow per backup set.')
    .version(projectVersion)
    .option('--json', 'print JSON: one object on each line')
    .exitOverride()
    .showHelpAfterError('(`tapeflow help` lists the commands)')
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'tapeflow: ')),
      // Errors in the arguments are reported like any other error.
      ...(asksJson ? { writeErr: () => undefined } : {}),
    });
}

/** `--json` may come before or after the command; help and errors are the same everywhere. */
function inheritJson(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    if (command.commands.length === 0) command.option('--json', 'print JSON: one object on each line');
    inheritJson(command);
  }
}
