import type { Argument, Command, Option } from 'commander';

/** An option of a command, as `--help` has it. */
export interface OptionEntry {
  /** As in the help: `--drive <drive>`. */
  flags: string;
  /** Each way to write it: `-r`, `--recursive`. */
  names: string[];
  description: string;
  /** The word between `<` and `>`, which says what the value is; undefined for an option without a value. */
  value?: string;
}

/** An argument of a command. */
export interface ArgumentEntry {
  /** Its word, which says what it is: `set`, `path`. */
  name: string;
  description: string;
  required: boolean;
  variadic: boolean;
}

/** A command with all that `--help` tells of it. Plain data: the build writes that of the program down. */
export interface CommandEntry {
  name: string;
  description: string;
  usage: string;
  arguments: ArgumentEntry[];
  options: OptionEntry[];
  commands: CommandEntry[];
}

/** What commander's own help shows of a command and of those below it, without hidden ones. */
export function commandTree(command: Command): CommandEntry {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    usage: help.commandUsage(command),
    arguments: command.registeredArguments.map((argument) => argumentEntry(argument)),
    options: help
      .visibleOptions(command)
      .map((option) => optionEntry(option, help.optionDescription(option))),
    commands: help.visibleCommands(command).map((child) => commandTree(child)),
  };
}

function argumentEntry(argument: Argument): ArgumentEntry {
  const { description, required, variadic } = argument;
  return { name: argument.name(), description, required, variadic };
}

function optionEntry({ flags, short, long }: Option, description: string): OptionEntry {
  const value = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1];
  const names = [short, long].filter((name) => name != null);
  return { flags, names, description, ...(value === undefined ? {} : { value }) };
}
