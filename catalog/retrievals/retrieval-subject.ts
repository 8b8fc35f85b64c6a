import { english } from '../../messages/sentence.js';
import { onHost } from '../../entry/host-path.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import { lostGroupsOf } from '../tapes/lost-tapes.js';
import type { Catalog } from '../open-catalog.js';
import { isOfHost } from '../sets/set-host.js';
import { findSet, setWithFiles } from '../sets/sets.js';
import { tapeByName, tapeByUuid } from '../tapes/tapes.js';

/** What is read: a set, or a tape by its UUID. */
export type Subject = { setId: string } | { tape: string };

/** What a verify or copy should read: a name, or the newest set of some sources at the time. */
export type SubjectRequest =
  | { name: string }
  /** Absolute paths, as stored in sets, and the host that has them: see `NewSet.host`. */
  | { latest: string[]; host?: string | null };

/**
 * The name of the subject now; throws `NoSetOfSources` when the sources have no set yet. A verify reads only a set's
 * own archives, so it ignores sets that stored nothing because nothing had changed; a copy includes what the set builds
 * on.
 */
export async function subjectName(
  catalog: Catalog,
  wish: SubjectRequest,
  kind: 'verify' | 'copy',
): Promise<string> {
  if ('name' in wish) return wish.name;
  const newest = await newestCompletedSet(catalog, wish, kind === 'verify');
  if (newest !== undefined) return newest;
  throw usageFailure(
    'NoSetOfSources',
    english`There is no completed set of ${wish.latest.map((path) => onHost(wish.host, path)).join(' ')} in
        the catalog.`,
    english`\`tapeflow sets\` lists the sets with their sources.`,
  );
}

/** The newest set that was made of exactly these sources, has completed, and was not erased; undefined: none. */
async function newestCompletedSet(
  db: Catalog,
  { latest: sources, host = null }: { latest: readonly string[]; host?: string | null },
  withArchives: boolean,
): Promise<string | undefined> {
  let sets = db
    .selectFrom('sets')
    .select('id')
    .where('sources', '=', JSON.stringify(sources))
    .where(isOfHost(host))
    .where('state', 'in', ['completed', 'completed_with_skips'])
    .where('erased_at', 'is', null)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc');
  if (withArchives)
    sets = sets.where(({ exists, selectFrom }) =>
      exists(selectFrom('archives').select('archives.set_id').whereRef('archives.set_id', '=', 'sets.id')),
    );
  return (await sets.executeTakeFirst())?.id;
}

/** A set or a tape by its name; throws a usage failure when there is neither. */
export async function subjectOf(catalog: Catalog, name: string): Promise<Subject> {
  if ((await findSet(catalog, name)) !== undefined) return { setId: (await setWithFiles(catalog, name)).id };
  const tape = await tapeByName(catalog, name);
  if (tape !== undefined) return { tape: tape.uuid };
  throw usageFailure(
    'NoSuchSubject',
    english`There is no set and no tape ${name} in the catalog.`,
    english`\`tapeflow sets\` and \`tapeflow tape list\` list them.`,
  );
}

/** The failure for a subject without any valid archive on tape, with the reason. */
export async function nothingOnTape(
  catalog: Catalog,
  code: string,
  name: string,
  what: Subject,
): Promise<TapeflowFailure> {
  const failure = (message: string, advice?: string) =>
    new TapeflowFailure(code, message, advice === undefined ? {} : { advice });
  const row = 'tape' in what ? await tapeByUuid(catalog, what.tape) : undefined;
  if (row?.state === 'lost')
    return failure(
      english`The tape ${name} is marked as lost, and nothing on it counts.`,
      english`If it is back, \`tapeflow tape found ${name}\`.`,
    );
  if (row?.state === 'erasing')
    return failure(english`The erasing of tape ${name} has begun, and nothing on it counts.`);
  if ('setId' in what && (await lostGroupsOf(catalog, what.setId)).length > 0)
    return failure(
      english`Every tape that held the set ${name} is marked as lost.`,
      english`If one is back, \`tapeflow tape found NAME\`.`,
    );
  return failure(english`${name} has no archive on tape.`);
}
