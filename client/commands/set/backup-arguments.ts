import type { Command } from 'commander';
import type { ChosenOptions } from '../../../catalog/sets/chosen-options.js';
import type { AskedExclude } from '../../../source/taken/resolve-taken.js';
import { userPath } from '../../session.js';

/** Options of `backup`. */
export interface BackupFlags extends ChosenOptions {
  set?: string;
  drive: string[];
  pool: string[];
  copies?: string;
  /** Both have every `--exclude` and `--exclude-from`, in their order. */
  exclude?: AskedExclude[];
  excludeFrom?: AskedExclude[];
  excludeIfPresent: string[];
  excludeCaches?: boolean;
  oneFileSystem?: boolean;
  filesFrom?: string;
  filesFrom0?: string;
  dryRun?: boolean;
  mode: string;
  direct?: boolean;
  encrypt?: boolean;
  identity?: string;
  detach?: boolean;
  new?: boolean;
  allowShrunk?: boolean;
  hook?: string;
}

/** Adds the arguments and options of `backup` to a command; schedules take the same. */
export function backupArguments(command: Command): Command {
  const repeat = (value: string, before: string[]) => [...before, value];
  // The last exclude that matches decides, so that the order of both options counts.
  const excludes: AskedExclude[] = [];
  const exclude = (asked: AskedExclude) => {
    excludes.push(asked);
    return excludes;
  };
  return command
    .argument('[path...]', 'files and folders')
    .option('--set <id>', 'id of the set, such as 2026-11_000001 (default: the next free one)')
    .option(
      '--copies <number>',
      'number of copies, each on tapes of its own pool: give --pool for each of them (default: 1)',
    )
    .option(
      '--pool <pool>',
      'pool whose tapes may be written; again for each further copy (default: TAPE_POOL)',
      repeat,
      [],
    )
    .option(
      '--drive <drive>',
      'drive to write to; again for each further copy that has a drive of its own (default: lto1)',
      repeat,
      [],
    )
    .option(
      '--exclude <glob>',
      'leave out a name, anywhere, or a path; `!` keeps; may be given again',
      (glob: string) => exclude({ glob }),
    )
    .option('--exclude-from <file>', 'the same for each line of a file; # begins a comment', (file: string) =>
      exclude({ file: userPath(file) }),
    )
    .option('--exclude-caches', 'leave out what is in folders tagged as caches (CACHEDIR.TAG)')
    .option(
      '--exclude-if-present <name>',
      'leave out what is in folders that hold this name; may be given again',
      repeat,
      [],
    )
    .option('--one-file-system', 'leave out what is mounted in a source, and name it')
    .option('--files-from <file>', 'take the paths in a file too, one on each line; -: standard input')
    .option('--files-from0 <file>', 'the same, each path ended by a NUL')
    .option('--dry-run', 'say what would be stored, how much, and on how many tapes; store nothing')
    .option(
      '--mode <mode>',
      'full; incremental: what has changed since the newest set of ' +
        'these sources; differential: since the newest full one',
      'full',
    )
    .option(
      '--ignore-ctime',
      'for incremental and differential: a file whose size, time and inode are the same is unchanged, ' +
        'even if its time of change (ctime) is not: it is not read',
    )
    .option('--ignore-inode', 'the same for a file with another inode number')
    .option('--allow-shrunk', 'go on although a source is empty, or has less than a tenth of what it had')
    .option('--verify', 'at the end, read every copy back from its tape and compare it')
    .option('--encrypt', 'encrypt archives and manifests to the recipients of AGE_RECIPIENTS')
    .option('--identity <file>', 'with --encrypt: first try that the identities in this file open the set')
    .option('--hook <hook>', 'run this hook of the host that has the sources before they are read, and after')
    .option('--direct', 'compress directly to tape, without staging')
    .option('--detach', 'start it, leave server and workers running, and return at once')
    .option('--new', 'start another set, even if the same one is unfinished');
}
