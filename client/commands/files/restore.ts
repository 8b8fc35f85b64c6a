import type { Command } from 'commander';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { inSession, type Session } from '../../session.js';
import { addOwnerOptions } from './owner-flags.js';
import { beginRestore, type RestoreFlags } from './begin-restore.js';

/** `restore SET --target DIR`: brings files of a set back from its tapes. */
export function addRestore(program: Command): void {
  const repeat = (value: string, before: string[]) => [...before, value];
  const command = program
    .command('restore')
    .argument('<set>', 'the set, or `latest` with --path')
    .option('--target <folder>', 'folder to restore into; made when it does not exist')
    .option('--to <host:folder>', 'folder of a host to restore into, such as fs1:/srv/restored')
    .option('--to-original', 'restore to where the files came from; asks first')
    .option('--yes', 'with --to-original: do not ask')
    .option('--include <glob>', 'only this file or folder, or what matches; may be given again', repeat, [])
    .option('--files-from <file>', 'only the paths in a file, one on each line; -: standard input')
    .option('--files-from0 <file>', 'the same, each path ended by a NUL')
    .option('--path <path>', 'with `latest`: the newest set that holds this file or folder')
    .option('--before <date>', 'with `latest`: of the sets that ended before this time')
    .option('--strip-components <number>', 'leave off so many leading parts of each path')
    .option(
      '--overwrite <when>',
      'replace files and links that are in the target already: never, if-newer or ' +
        'always; a file with the same content is not written again; a folder that is there keeps its mode, owner ' +
        'and time unless always',
      'never',
    )
    .option('--salvage', 'restore what can be read of damaged files too, with zeros for the rest')
    .option(
      '--identity <file>',
      'file of identities that opens an encrypted set, on the host of the target (default: AGE_IDENTITY_FILE)',
    )
    .option('--no-room-check', 'begin however little room the target says it has')
    .option('--dry-run', 'say what would come back, how much, and from which tapes; restore nothing');
  addOwnerOptions(command)
    .option('--drive <drive>', 'read with this drive only (default: with any that has the tape)')
    .action((set: string, flags: RestoreFlags, command: Command) =>
      inSession(command, (session) => restore(session, set, flags)),
    );
}

async function restore(session: Session, setName: string, flags: RestoreFlags): Promise<void> {
  const begun = await beginRestore(session, setName, flags);
  if (begun !== undefined) await runRetrieval(session, begun.row, begun);
}
