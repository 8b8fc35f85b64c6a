import { newestVersion, type NewestVersion } from '../../../catalog/files/newest-version.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { memberNamesOf } from '../../print/names.js';
import { timeOf } from '../../print/row-filter.js';
import { userPath, type Session } from '../../session.js';
import type { SelectionFlags } from './restore-selection.js';

/** The id of the set that is named, or of the newest one that holds a path, with what there is to say of it. */
export async function setToRestore(
  session: Session,
  catalog: Catalog,
  name: string,
  { path, include, before, filesFrom, filesFrom0 }: SelectionFlags & { before?: string },
): Promise<string> {
  if (name !== 'latest') {
    if (path !== undefined)
      throw usageFailure('WrongPath', '--path goes with `latest`.', 'Use --include with a set.');
    if (before !== undefined)
      throw usageFailure(
        'WrongBefore',
        '--before goes with `latest`.',
        'A set that is named is taken anyway.',
      );
    return (await setWithFiles(catalog, name)).id;
  }
  if (path === undefined || include.length > 0 || filesFrom !== undefined || filesFrom0 !== undefined)
    throw usageFailure('NoPath', '`restore latest` needs --path, and takes no --include and no list.');
  const ended = before === undefined ? undefined : timeOf(before, '--before', Date.now());
  const found = await newestVersion(catalog, memberNamesOf(path), ended);
  if (found !== undefined) {
    for (const note of versionNotes(found, path)) session.say(note);
    return found.setId;
  }
  const when = before === undefined ? '' : ` and ended before ${before}`;
  throw new TapeflowFailure('NoSuchPath', `No set on tape holds ${userPath(path)}${when}.`, {
    advice: '`tapeflow find GLOB` looks in all of them.',
  });
}

/** What there is to say of versions that are not whole. */
function versionNotes({ setId, isWhole, damaged }: NewestVersion, path: string): string[] {
  const where = userPath(path);
  if (!isWhole)
    return [`No set on tape holds ${where} whole; what the newest one, ${setId}, has of it is restored.`];
  return damaged.map(
    ({ setId: newer, reason }) =>
      `Set ${newer} is newer than ${setId}, but ${where} is not whole in it: ${reason.replace(/\.$/, '')}. ` +
      `\`tapeflow restore ${newer} --include ${where}\` restores what it has of it.`,
  );
}
