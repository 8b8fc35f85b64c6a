import { fromText, toBytes } from '../../entry/byte-string.js';
import { memberNameOf, plainName } from '../../entry/member-name.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import type { SetState } from '../schema/set-tables.js';
import { isOfHost } from './set-host.js';
import { takenOf } from './taken-options.js';
import { folderRange } from '../files/folder-range.js';

/** What a set found in one of its sources. */
export interface Holding {
  /** All entries but folders. */
  files: number;
  /** Bytes of file content; a hard link counts each time. */
  bytes: number;
}

/** What an earlier set of the same sources found. */
export interface FormerHoldings {
  setId: string;
  /** True when it took the same of them, by its excludes and the options that leave something out. */
  sameSelection: boolean;
  /** In the order of the sources. */
  holdings: Holding[];
}

/** What of a set says which earlier ones it is compared with. */
export type ComparedSet = Pick<SetRow, 'id' | 'host' | 'sources' | 'excludes' | 'taken'>;

/** What was once complete says what was there, even when nothing of it is on tape any more. */
const wereComplete: readonly SetState[] = ['completed', 'completed_with_skips', 'expired'];

/**
 * The newest complete set of the same sources, and, if its excludes were others, the newest one with the same excludes.
 */
export async function formerHoldings(db: Catalog, set: ComparedSet): Promise<FormerHoldings[]> {
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'excludes', 'taken', 'sources', 'holdings'])
    .where('sources', '=', set.sources)
    .where(isOfHost(set.host))
    .where('state', 'in', wereComplete)
    .where('id', '!=', set.id)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  const wanted = selectionText(set);
  const isSame = (former: Pick<SetRow, 'excludes' | 'taken'>) => selectionText(former) === wanted;
  const found = new Set([sets[0], sets.find(isSame)].filter((former) => former !== undefined));
  return Promise.all(
    [...found].map(async (former) => ({
      setId: former.id,
      sameSelection: isSame(former),
      holdings: await holdingsOf(db, former),
    })),
  );
}

/** What decides about the files of a source; a list of further paths does not. */
function selectionText(set: Pick<SetRow, 'excludes' | 'taken'>): string {
  const { oneFileSystem, excludeCaches, excludeIfPresent } = takenOf(set);
  return JSON.stringify([set.excludes, oneFileSystem, excludeCaches, excludeIfPresent]);
}

/** What a set found in each of its sources. */
export async function holdingsOf(
  db: Catalog,
  { id, sources, holdings }: Pick<SetRow, 'id' | 'sources' | 'holdings'>,
): Promise<Holding[]> {
  if (holdings !== null) return JSON.parse(holdings) as Holding[];
  const found: Holding[] = [];
  for (const source of JSON.parse(sources) as string[]) found.push(await countBelow(db, id, source));
  return found;
}

/** Counts the rows of a source: of a set before `holdings` were noted, or whose scan was interrupted. */
async function countBelow(db: Catalog, setId: string, source: string): Promise<Holding> {
  const name = plainName(memberNameOf(fromText(source), process.platform));
  const [from, before] = folderRange(name);
  const all = db
    .selectFrom('files')
    .select((eb) => [eb.fn.countAll<number>().as('files'), eb.fn.sum<number | null>('size').as('bytes')])
    .where('set_id', '=', setId)
    .where('type', '!=', 'directory');
  const queries =
    name === ''
      ? [all]
      : [all.where('path', '=', toBytes(name)), all.where('path', '>=', from).where('path', '<', before)];
  const sum: Holding = { files: 0, bytes: 0 };
  for (const query of queries) {
    const { files, bytes } = await query.executeTakeFirstOrThrow();
    sum.files += Number(files);
    sum.bytes += Number(bytes ?? 0);
  }
  return sum;
}
