import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { FileRow } from '../../catalog/rows.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import type { IgnoredSigns } from '../../catalog/sets/ignored-signs.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { fromBytes } from '../../entry/byte-string.js';
import { statsOf } from '../../entry/entry-stats.js';
import { GroupPlanner } from '../../source/group-planner.js';
import type { WalkedEntry } from '../../source/walked-entry.js';
import { changeFiles } from './file-rows.js';
import { tapeRow } from './tape-rows.js';

export const limits = {
  groupBytes: 1000,
  groupFiles: 1000,
  stagingBytes: 3000,
  direct: false,
  tapeBytes: 1e12,
};
/** Seconds since 1970 of what the files are from. */
export const longAgo = 1e9;
export interface FileStats {
  size?: number;
  mtime?: number;
  ctime?: number;
  ino?: number | bigint;
  dev?: number;
  nlink?: number;
}

export function file(name: string, stats: FileStats = {}): WalkedEntry {
  const { size = 10, mtime = longAgo, ctime = longAgo, ino = 7, dev = 1, nlink = 1 } = stats;
  const ns = (seconds: number) => BigInt(Math.round(seconds * 1000)) * 1_000_000n;
  const numbers = { size, ino, dev, nlink, mode: 0o100644, uid: 0, gid: 0 };
  const big = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, BigInt(value)]));
  const all = { ...big, mtimeNs: ns(mtime), ctimeNs: ns(ctime) } as unknown as BigIntStats;
  return { name, type: 'file', stats: statsOf(all), linkTarget: null, skipped: null };
}

export async function begin(
  catalog: Catalog,
  mode: string,
  source = '/x',
  now = new Date(),
  options: IgnoredSigns = {},
): Promise<string> {
  const rest = { excludes: [], pool: 'default', drive: 'lto1', direct: false, options };
  const { set } = await openSet(catalog, { ...rest, sources: [source], mode }, { fresh: true, now });
  return set.id;
}

export async function scan(
  catalog: Catalog,
  setId: string,
  entries: WalkedEntry[],
  stopAt?: number,
): Promise<void> {
  const { planner, after } = await GroupPlanner.resume(catalog, setId, limits);
  for (const entry of entries.slice(0, stopAt))
    if (after === undefined || entry.name > after) await planner.add(entry);
  if (stopAt === undefined) await planner.finish([]);
  else await planner.flush();
}

/** A SHA-256 that says whose content it is of. */
export function hashFor(setId: string, name: string): string {
  return createHash('sha256').update(`${setId} ${name}`).digest('hex');
}

/**
 * What a set's run leaves in the catalog: files packed in order, archives committed on one tape.
 *
 * @param packed what packing finds of a file. Default: content of this set's own.
 */
export async function complete(
  catalog: Catalog,
  setId: string,
  state: SetState = 'completed',
  packed = (name: string) => ({ tar_offset: 512, sha256: hashFor(setId, name) }),
): Promise<void> {
  await catalog
    .insertInto('tapes')
    .values(tapeRow('T', 'T', 'default'))
    .onConflict((on) => on.doNothing())
    .execute();
  await changeFiles(
    catalog,
    (files) => files.where('set_id', '=', setId).where('state', '=', 'planned'),
    ({ path: name }) => ({ state: 'packed', ...packed(fromBytes(name)) }),
  );
  for (const { no } of await catalog
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .execute()) {
    const copy = { set_id: setId, group_no: no, copy_no: 1, tape_uuid: 'T', token: 't' };
    const name = `${setId}/${no}`;
    const archive = {
      set_id: setId,
      group_no: no,
      name,
      manifest_name: name,
      token: 't',
      sha256: '',
      size: 1,
    };
    const more = { manifest_size: 1, manifest_sha256: '', bytes_in: 0, members: 1, created_at: 0 };
    await catalog
      .insertInto('archives')
      .values({ ...archive, ...more, block_bytes: null, blocks: null })
      .execute();
    await catalog
      .insertInto('copies')
      .values({ ...copy, state: 'committed', written_at: 1, committed_at: 1 })
      .execute();
  }
  await catalog.updateTable('groups').set({ state: 'released' }).where('set_id', '=', setId).execute();
  await recordSetState(catalog, setId, state, null);
}

export async function rowsOf(catalog: Catalog, setId: string): Promise<Record<string, FileRow>> {
  const rows = await catalog
    .selectFrom('files')
    .selectAll()
    .where('set_id', '=', setId)
    .orderBy('path')
    .execute();
  return Object.fromEntries(rows.map((row) => [fromBytes(row.path), row]));
}
