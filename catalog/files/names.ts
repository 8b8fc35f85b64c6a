import type { Catalog } from '../open-catalog.js';
import { layerFor, layerOf, stateCode } from './entry-rows.js';
import { nameChunks, type NameChunk } from './file-names.js';

/** Paths read at once when the names of a group are listed. */
const pathsAtOnce = 4000;

/** Adds lists of names in the caller's transaction; those that are there already stay. */
export async function addNames(tx: Catalog, layer: number, chunks: Iterable<NameChunk>): Promise<void> {
  for (const chunk of chunks)
    await tx
      .insertInto('names')
      .values({ layer, ...chunk })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
}

/** Lists the names of a group whose entries are all there, in the caller's transaction. */
export async function nameGroup(
  tx: Catalog,
  { setId, no, first, last }: { setId: string; no: number; first: Uint8Array; last: Uint8Array },
): Promise<void> {
  const layer = await layerFor(tx, setId);
  let after: Uint8Array | undefined;
  for (;;) {
    const query = tx
      .selectFrom('entries')
      .select('path')
      .where('layer', '=', layer)
      .where('path', after === undefined ? '>=' : '>', after ?? first)
      .where('path', '<=', last)
      .where('group_no', '=', no)
      .where('state', '!=', stateCode('gone'))
      .orderBy('path')
      .limit(pathsAtOnce);
    const rows = await query.execute();
    after = rows.at(-1)?.path;
    if (after === undefined) return;
    await addNames(tx, layer, nameChunks(rows.map(({ path }) => ({ group: no, path }))));
  }
}

/** Removes a group's names, in the caller's transaction. */
export async function forgetNames(tx: Catalog, setId: string, no: number): Promise<void> {
  await tx.deleteFrom('names').where('layer', '=', layerOf(setId)).where('group_no', '=', no).execute();
}

/** What a base name is tested for. */
export interface NameTest {
  /** Bytes that every name holds that fits. */
  sought: Uint8Array;
  /** @param name a byte string; a folder's ends in `/`. */
  fits: (name: string) => boolean;
}

/** The names in a list that fit. */
export function namesThat(names: Buffer, { sought, fits }: NameTest): Set<string> {
  const found = new Set<string>();
  for (let at = names.indexOf(sought); at >= 0 && at < names.length; at = names.indexOf(sought, at)) {
    const from = at === 0 ? 0 : names.lastIndexOf(0, at - 1) + 1;
    const end = names.indexOf(0, at);
    const name = names.toString('latin1', from, end);
    if (fits(name)) found.add(name);
    at = end + 1;
  }
  return found;
}
