import { Command, Help, type HelpConfiguration } from 'commander';
import { english } from '../messages/sentence.js';
import { shown, shownLanguage, t } from '../messages/shown.js';
import { projectVersion } from '../config/project-dir.js';
import { loadAllCommands, loadCommands } from './load-commands.js';
import { shownUsageError } from './usage-error.js';

/** What is different while a command's errors are objects: `--json`. */
interface ProgramOptions {
  asksJson: boolean;
}

/** The program with the commands that the arguments after `tapeflow` ask for; see `loadCommands`. */
export async function programFor(args: readonly string[], options: ProgramOptions): Promise<Command> {
  const program = await emptyProgram(options);
  await loadCommands(program, args);
  inheritJson(program);
  return program;
}

/** The program with every command, for what tells of all of them: completions and the manual page. */
export async function wholeProgram(): Promise<Command> {
  const program = await emptyProgram({ asksJson: false });
  await loadAllCommands(program);
  inheritJson(program);
  return program;
}

async function emptyProgram({ asksJson }: ProgramOptions): Promise<Command> {
  return new Command('tapeflow')
    .description('Backs up to LTO tape: plain tar archives, one durable workflow per backup set.')
    .version(projectVersion)
    .option('--json', 'print JSON: one object on each line')
    .exitOverride()
    .showHelpAfterError(t`(\`tapeflow help\` lists the commands)`)
    .configureHelp(await helpInWords())
    .configureOutput({
      outputError: (text, write) => write(`tapeflow: ${shownUsageError(text.replace(/^error: /, ''))}`),
      // Errors in the arguments are reported like any other error.
      ...(asksJson ? { writeErr: () => undefined } : {}),
    });
}

/** The headings of commander's help, which it hands over as they are. */
export const helpHeadings = [english`Usage:`, english`Arguments:`, english`Options:`, english`Commands:`];

/** How the help is told: each description, with its default, is a sentence of the catalogue. */
async function helpInWords(): Promise<HelpConfiguration> {
  const plain = new Help();
  const common: HelpConfiguration = {
    // An option that may be given again begins with none, which tells nobody anything.
    optionDescription: (option) => plain.optionDescription(option).replace(' (default: [])', ''),
  };
  if (shownLanguage() === 'en') return common;
  const { default: stringWidth } = await import('string-width');
  const { default: wrapAnsi } = await import('wrap-ansi');
  return {
    ...common,
    ...{ styleTitle: shown, styleCommandDescription: shown, styleSubcommandDescription: shown },
    ...{ styleOptionDescription: shown, styleArgumentDescription: shown },
    // Chinese takes two columns for a character, and has no blanks to break a line at.
    displayWidth: (text) => stringWidth(text),
    boxWrap: (text, width) => wrapAnsi(text, width, { hard: true }),
  };
}

/** `--json` may come before or after the command; help and errors are the same everywhere. */
function inheritJson(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    if (command.commands.length === 0) command.option('--json', 'print JSON: one object on each line');
    inheritJson(command);
  }
}
