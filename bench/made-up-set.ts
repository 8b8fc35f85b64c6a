import Database from 'better-sqlite3';
import { foldSet } from '../catalog/files/fold-set.js';
import { filesOfGroup, type PlannedRow } from '../catalog/files/files.js';
import { commitCompressed, type PackedFile } from '../catalog/files/packed-files.js';
import { beginCompressing } from '../catalog/groups/group-owner.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { openSet } from '../catalog/sets/open-set.js';
import { recordSetState } from '../catalog/sets/set-states.js';
import { GroupPlanner } from '../source/group-planner.js';
import { walk } from '../source/walk.js';

const limits = {
  ...{ groupBytes: 12 * 1024 ** 3, groupFiles: 50_000, stagingBytes: 36 * 1024 ** 3 },
  ...{ direct: false, tapeBytes: Number.MAX_SAFE_INTEGER },
};

/** A set of a real tree of which nothing is packed. */
export interface MadeUpSet {
  tree: string;
  mode: 'full' | 'incremental';
  /** UUID of the tape that its archives are said to be on. */
  tape: string;
  /** The SHA-256 of a file that would be packed, in hex. */
  hashOf: (row: PlannedRow) => string;
}

/** One set from its scan to its end, as in a backup, but that nothing is packed, and all is said to be on tape. */
export async function makeUpSet(
  catalog: Catalog,
  { tree, mode, tape: uuid, hashOf }: MadeUpSet,
): Promise<string> {
  const tape = { uuid, name: uuid, pool: 'p', state: 'usable', capacity: 0, free: 0 } as const;
  await catalog
    .insertInto('tapes')
    .values({ ...tape, labelled_at: 0, seen_at: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const asked = { sources: [tree], excludes: [], pool: 'p', drive: 'd', mode, direct: false, options: {} };
  const { set: made } = await openSet(catalog, asked, { fresh: true });
  // As begun later than the files were changed: their ctime is of just then.
  const created = Date.now() + 10_000;
  await catalog.updateTable('sets').set({ created_at: created }).where('id', '=', made.id).execute();
  const { planner } = await GroupPlanner.resume(catalog, made.id, limits);
  const from = { sources: [tree], excludes: [], ownFolders: [], after: undefined };
  for (const entry of walk({ ...from, onLeftOut: () => undefined })) await planner.add(entry);
  await planner.finish([]);
  for (let no = 1; no <= planner.counted.groups; no += 1) {
    await beginCompressing(catalog, made.id, no, 'bench');
    const packed: PackedFile[] = [];
    for await (const { rows } of filesOfGroup(catalog, made.id, no))
      for (const row of rows) if (row.state === 'planned') packed.push(packedOf(row, packed.length, hashOf));
    const name = `${made.id}/${no}`;
    const archive = {
      ...{ set_id: made.id, group_no: no, name, size: 1, sha256: '', token: 'bench', manifest_name: name },
      ...{ manifest_size: 1, manifest_sha256: '', bytes_in: 1, members: packed.length, created_at: 0 },
    };
    await commitCompressed(catalog, archive, packed, { reserved: 0, ms: 1, detail: '' });
    const copy = { set_id: made.id, group_no: no, copy_no: 1, tape_uuid: uuid, token: 'bench' };
    await catalog
      .insertInto('copies')
      .values({ ...copy, state: 'committed', written_at: 1, committed_at: 1 })
      .execute();
  }
  await catalog.updateTable('groups').set({ state: 'released' }).where('set_id', '=', made.id).execute();
  await foldSet(catalog, made.id, () => undefined);
  await recordSetState(catalog, made.id, 'completed', null);
  return made.id;
}

function packedOf(row: PlannedRow, index: number, hashOf: MadeUpSet['hashOf']): PackedFile {
  return {
    path: Buffer.from(row.path).toString('latin1'),
    size: row.size,
    sha256: row.type === 'file' ? hashOf(row) : null,
    ...{ tarOffset: index * 1024, reason: null, state: 'packed' },
    now: { mtimeS: row.mtime_s, mtimeNs: row.mtime_ns, linkTarget: null },
  };
}

/** Bytes of a catalog that are in use. */
export function bytesUsed(file: string): number {
  const database = new Database(file);
  const [pages, free, size] = ['page_count', 'freelist_count', 'page_size'].map((name) =>
    Number(database.pragma(name, { simple: true })),
  );
  database.close();
  return ((pages ?? 0) - (free ?? 0)) * (size ?? 0);
}
