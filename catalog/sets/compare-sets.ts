import { filesBelow } from '../files/search.js';
import type { FileRow } from '../rows.js';
import type { Catalog } from '../open-catalog.js';

/** Fields in which an entry of both sets may differ. */
export type ChangedField = 'size' | 'mtime' | 'type' | 'sha256' | 'storedSha256' | 'target';

/** An entry that differs between two sets. */
export type EntryChange =
  | { change: 'added'; row: FileRow }
  | { change: 'removed'; row: FileRow }
  | { change: 'changed'; row: FileRow; before: FileRow; fields: ChangedField[] };

/**
 * How a set differs from an earlier one, in name order, with one page of each in memory. Skipped entries, of which
 * nothing was stored, count as absent.
 */
export async function* compareSets(db: Catalog, before: string, after: string): AsyncGenerator<EntryChange> {
  const [a, b] = [storedRows(db, before), storedRows(db, after)];
  let [left, right] = [await a.next(), await b.next()];
  for (;;) {
    const order = left.done === true ? 1 : right.done === true ? -1 : bytewise(left.value, right.value);
    if (left.done === true && right.done === true) return;
    if (order < 0 && left.done !== true) {
      yield { change: 'removed', row: left.value };
      left = await a.next();
    } else if (order > 0 && right.done !== true) {
      yield { change: 'added', row: right.value };
      right = await b.next();
    } else if (left.done !== true && right.done !== true) {
      const fields = changedFields(left.value, right.value);
      if (fields.length > 0) yield { change: 'changed', row: right.value, before: left.value, fields };
      [left, right] = [await a.next(), await b.next()];
    }
  }
}

async function* storedRows(db: Catalog, setId: string): AsyncGenerator<FileRow, undefined> {
  for await (const page of filesBelow(db, setId, ''))
    for (const row of page) if (row.state !== 'skipped' || row.tar_offset !== null) yield row;
  return undefined;
}

function bytewise(a: FileRow, b: FileRow): number {
  return Buffer.compare(a.path, b.path);
}

/**
 * Hashes are compared when both sets have one of the same kind: that of a file with holes is of what is stored, and
 * differs also where the holes do. Which of several hard links came first in the archive is not a change.
 */
function changedFields(a: FileRow, b: FileRow): ChangedField[] {
  const fields: ChangedField[] = [];
  if (a.type !== b.type) fields.push('type');
  if (a.size !== b.size) fields.push('size');
  if (a.mtime_s !== b.mtime_s || a.mtime_ns !== b.mtime_ns) fields.push('mtime');
  const isComparable = (a.stored_size === null) === (b.stored_size === null);
  if (isComparable && a.sha256 !== null && b.sha256 !== null && a.sha256 !== b.sha256)
    fields.push(a.stored_size === null ? 'sha256' : 'storedSha256');
  const haveTarget = a.type === b.type && ['symlink', 'character', 'block'].includes(a.type);
  if (haveTarget && Buffer.compare(a.link_target ?? empty, b.link_target ?? empty) !== 0)
    fields.push('target');
  return fields;
}

const empty = new Uint8Array();
