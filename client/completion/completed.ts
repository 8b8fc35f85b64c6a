import type { ArgumentEntry, CommandEntry, OptionEntry } from '../command-tree.js';

/** What can stand where the cursor is. */
export interface Completed {
  /** Commands and options that begin so, with their descriptions. */
  words: { word: string; description: string }[];
  /** What kind of value it is: the word of the help between `<` and `>`. */
  value?: string;
  /** What stands in the word before the value: `--drive=`. */
  before: string;
  /** The value so far. */
  begun: string;
}

/**
 * What completes a command line.
 *
 * @param words those after `tapeflow`, the last one being written.
 */
export function completedLine(program: CommandEntry, words: readonly string[]): Completed {
  const begun = words.at(-1) ?? '';
  let command = program;
  let given = 0;
  let valueOf: OptionEntry | undefined;
  let onlyArguments = false;
  for (const [index, word] of words.slice(0, -1).entries()) {
    if (valueOf !== undefined) valueOf = undefined;
    else if (word === '--' && !onlyArguments) {
      onlyArguments = true;
      // `schedule add NAME -- backup …`: a command line of its own.
      if (argumentAt(command, given)?.name === 'command')
        return completedLine(program, words.slice(index + 1));
    } else if (!onlyArguments && word.startsWith('-')) {
      const option = optionNamed(command, word);
      valueOf = option?.value === undefined ? undefined : option;
    } else {
      const child = given === 0 ? command.commands.find(({ name }) => name === word) : undefined;
      if (child === undefined) given += 1;
      else if (child.name !== 'help') command = child;
    }
  }
  if (valueOf?.value !== undefined) return { words: [], value: valueOf.value, before: '', begun };
  if (!onlyArguments && begun.startsWith('-')) return optionLike(command, begun);
  const children = given === 0 ? command.commands : [];
  const value = argumentAt(command, given)?.name;
  return {
    words: children
      .filter(({ name }) => name.startsWith(begun))
      .map(({ name, description }) => ({ word: name, description })),
    ...(value === undefined ? {} : { value }),
    before: '',
    begun,
  };
}

/** An option, or with `--drive=` its value. */
function optionLike(command: CommandEntry, begun: string): Completed {
  const [name = '', ...rest] = begun.split('=');
  const value = rest.length > 0 ? optionNamed(command, name)?.value : undefined;
  if (value !== undefined) return { words: [], value, before: `${name}=`, begun: rest.join('=') };
  const words = command.options.flatMap(({ names, description }) =>
    names
      .filter((long) => long.startsWith('--') && long.startsWith(begun))
      .map((word) => ({ word, description })),
  );
  return { words, before: '', begun };
}

function optionNamed(command: CommandEntry, word: string): OptionEntry | undefined {
  return command.options.find(({ names }) => names.includes(word));
}

/** The argument that follows `given` others; the last one may take any number. */
function argumentAt({ arguments: known }: CommandEntry, given: number): ArgumentEntry | undefined {
  const last = known.at(-1);
  return known[given] ?? (last?.variadic === true ? last : undefined);
}
