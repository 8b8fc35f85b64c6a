import type { Command } from 'commander';
import { latestOption } from '../../subject-options.js';

/** Adds the arguments and options of `verify` to a command; schedules take the same. */
export function verifyArguments(command: Command): Command {
  return latestOption(command.argument('[set-or-tape]', 'a set, or a tape by its name'))
    .option('--sample <percent>', 'only this percentage of the archives, chosen at random', '100')
    .option(
      '--identity <file>',
      'file of identities for an encrypted set, of which else each archive is compared as a whole ' +
        '(default: AGE_IDENTITY_FILE)',
    )
    .option(
      '--each-within <time>',
      'instead: of all tapes, what was read longest ago, so that each archive is read once within a time such as 1y; ' +
        'only on the tapes in the drives',
    )
    .option('--for <time>', 'with --each-within: begin no further archive after this time, such as 2h')
    .option('--size <size>', 'with --each-within: read at most so much, such as 500GB')
    .option('--drive <drive>', 'read with this drive only (default: with any that has the tape)')
    .option(
      '--repair',
      'then write what is damaged, or was on a lost tape, again from another copy, to a tape of the same pool',
    )
    .option(
      '--to-drive <drive>',
      'with --repair: write with this drive only (default: the one of --drive, else any that has a tape for it)',
    );
}

/** Options of `verify`. */
export interface VerifyFlags {
  latest: string[];
  sample: string;
  eachWithin?: string;
  for?: string;
  size?: string;
  drive?: string;
  identity?: string;
  repair?: true;
  toDrive?: string;
}
