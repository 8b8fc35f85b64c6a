import type { Command } from 'commander';
import type { SubjectRequest } from '../catalog/retrievals/retrieval-subject.js';
import { usageFailure } from '../config/failures.js';
import type { Session } from './session.js';
import { hostInSets } from './source-host.js';
import { sourcesOf } from './sources.js';
import { english } from '../messages/sentence.js';

/** Adds the option `--latest` to a command that reads from tape. */
export function latestOption(command: Command): Command {
  const repeat = (value: string, before: string[]) => [...before, value];
  return command.option(
    '--latest <source>',
    'instead: the newest completed set of this source; repeat it for a set with several sources',
    repeat,
    [],
  );
}

/** What a command reads: the named set or tape, or the newest set of the named sources. */
export async function subjectRequest(
  session: Session,
  name: string | undefined,
  latest: readonly string[],
): Promise<SubjectRequest> {
  if (name !== undefined && latest.length > 0)
    throw usageFailure(
      'SubjectAndLatest',
      english`${name} names what is read, and --latest asks for the newest set.`,
      english`Give one of them.`,
    );
  if (name !== undefined) return { name };
  if (latest.length > 0) {
    const { elsewhere, paths } = sourcesOf(latest, session.settings.TAPEFLOW_HOST);
    const host = await hostInSets(session, elsewhere);
    return { latest: paths, ...(host === null ? {} : { host }) };
  }
  throw usageFailure(
    'NoSubject',
    english`No set and no tape is named.`,
    english`Give one, or --latest PATH for the newest set of a source.`,
  );
}
