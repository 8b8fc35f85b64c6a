import { fromBytes, toBytes } from '../../entry/byte-string.js';
import type { Catalog } from '../open-catalog.js';
import { folderRange } from './folder-range.js';
import { plainName } from '../../entry/member-name.js';

/** Why a name of a set cannot be restored though it is known; null: it can be, or something below it. */
type WhyNot = string | null;

/**
 * Those of some member names (without a trailing `/`) that a set has, as a file, a folder or a folder above others; and
 * for those that the backup left out, why.
 */
export async function namesInSet(
  db: Catalog,
  setId: string,
  names: readonly string[],
): Promise<Map<string, WhyNot>> {
  const found = new Map<string, WhyNot>();
  for (let at = 0; at < names.length; at += 1000) {
    const asked = names.slice(at, at + 1000);
    const rows = await db
      .selectFrom('files')
      .select(['path', 'state', 'reason', 'tar_offset'])
      .where('set_id', '=', setId)
      .where(
        'path',
        'in',
        asked.flatMap((name) => [toBytes(name), toBytes(`${name}/`)]),
      )
      .execute();
    for (const { path, state, reason, tar_offset: offset } of rows) {
      const name = plainName(fromBytes(path));
      const isLeftOut = state === 'skipped' && offset === null;
      if (!isLeftOut || !found.has(name)) found.set(name, isLeftOut ? (reason ?? '') : null);
    }
    for (const name of asked)
      if (!found.has(name) && (await hasBelow(db, setId, name))) found.set(name, null);
  }
  return found;
}

/** True when a set has something below a folder that has no row of its own, as one above a source. */
async function hasBelow(db: Catalog, setId: string, name: string): Promise<boolean> {
  let query = db.selectFrom('files').select('path').where('set_id', '=', setId);
  if (name !== '') {
    const [from, before] = folderRange(name);
    query = query.where('path', '>=', from).where('path', '<', before);
  }
  const row = await query.limit(1).executeTakeFirst();
  return row !== undefined;
}
