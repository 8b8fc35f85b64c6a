import assert from 'node:assert/strict';
import { treeRows } from '../../catalog/files/tree-rows.js';
import { holderOf } from '../../catalog/files/files.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { ComparedRows } from '../../catalog/sets/compared-rows.js';
import { fromBytes, toBytes } from '../../entry/byte-string.js';

/** Requires that a scan compares with what the tree of a set has, from its beginning and behind one of its files. */
export async function requireCompared(catalog: Catalog, setId: string): Promise<void> {
  const known: Record<string, unknown>[] = [];
  for await (const page of treeRows(catalog, setId, {}))
    for (const row of page) {
      const isStored = row.type === 'file' && (row.state === 'packed' || row.state === 'unchanged');
      if (!isStored || row.reason !== null) continue;
      const { size, mtime_s, mtime_ns, ctime_s, ctime_ns, mode, uid, gid, nlink, ino } = row;
      const times = { mtime_s, mtime_ns, ctime_s, ctime_ns };
      const facts = { size, ...times, mode, uid, gid, nlink, ino };
      known.push({ name: fromBytes(row.path), ...facts, holder: holderOf(row) });
    }
  const rows = await ComparedRows.of(catalog, setId);
  const behind = known[Math.floor(known.length / 3)]?.['name'] as string | undefined;
  for (const after of behind === undefined ? [undefined] : [undefined, behind]) {
    const found: Record<string, unknown>[] = [];
    for await (const page of rows.pages(after === undefined ? undefined : toBytes(after)))
      for (const row of page) {
        const { size, mtime_s, mtime_ns, ctime_s, ctime_ns, mode, uid, gid, nlink, large_ino: large } = row;
        const ino = large === null ? String(row.ino) : BigInt.asUintN(64, BigInt(large)).toString();
        const times = { mtime_s, mtime_ns, ctime_s, ctime_ns };
        const facts = { size, ...times, mode, uid, gid, nlink, ino };
        found.push({ name: row.name, ...facts, holder: rows.holderOf(row) });
      }
    assert.deepEqual(
      found,
      known.filter(({ name }) => after === undefined || (name as string) > after),
    );
  }
}
