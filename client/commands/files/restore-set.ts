import { newestVersion } from '../../../catalog/files/newest-version.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { hostPath, onHost } from '../../../entry/host-path.js';
import { hostInSets } from '../../source-host.js';
import { memberNamesOf, shellWord } from '../../print/names.js';
import { timeGiven } from '../../print/row-filter.js';
import { userPath, type Session } from '../../session.js';
import { latestNotes } from './latest-notes.js';
import type { SelectionFlags } from './restore-selection.js';
import type { TargetFlags } from './restore-target.js';
import { english } from '../../../messages/sentence.js';

/** The id of the set that is named, or of the newest one that holds a path, with what there is to say of it. */
export async function setToRestore(
  session: Session,
  catalog: Catalog,
  name: string,
  flags: SelectionFlags & Pick<TargetFlags, 'target' | 'to'> & { before?: string },
): Promise<string> {
  const { path, include, before, filesFrom, filesFrom0, target, to } = flags;
  if (name !== 'latest') {
    if (path !== undefined)
      throw usageFailure(
        'WrongPath',
        english`--path goes with \`latest\`.`,
        english`Use --include with a set.`,
      );
    if (before !== undefined)
      throw usageFailure(
        'WrongBefore',
        english`--before goes with \`latest\`.`,
        english`A set that is named is taken anyway.`,
      );
    return (await setWithFiles(catalog, name)).id;
  }
  if (path === undefined || include.length > 0 || filesFrom !== undefined || filesFrom0 !== undefined)
    throw usageFailure(
      'NoPath',
      english`\`restore latest\` needs --path, and takes no --include and no list.`,
    );
  const ended = before === undefined ? undefined : timeGiven(before, '--before', Date.now());
  const given = hostPath(path);
  const host = await hostInSets(session, given.host);
  const names = memberNamesOf(given.path);
  const found = await newestVersion(catalog, names, ended, host);
  if (found !== undefined) {
    const there = to === undefined ? '--to-original' : `--to ${shellWord(to)}`;
    const where = target === undefined ? there : `--target ${shellWord(userPath(target))}`;
    const asked = { where: userPath(given.path), names, host, before: ended, target: where };
    for (const note of await latestNotes(catalog, found, asked)) session.say(note);
    return found.setId;
  }
  const what = onHost(given.host, userPath(given.path));
  throw new TapeflowFailure(
    'NoSuchPath',
    before === undefined
      ? english`No set on tape holds ${what}.`
      : english`No set on tape holds ${what} and ended before ${before}.`,
    {
      advice: english`\`tapeflow find GLOB\` looks in all of them.`,
    },
  );
}
