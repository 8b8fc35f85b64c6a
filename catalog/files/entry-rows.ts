import { sql, type RawBuilder } from 'kysely';
import type { Catalog } from '../open-catalog.js';
import { entryTypes, fileStates } from '../schema/entry-codes.js';
import type { EntryType, FileColumns, StoredState } from '../schema/file-tables.js';

export function typeCode(type: EntryType): number {
  return entryTypes.indexOf(type);
}

export function stateCode(state: StoredState): number {
  return fileStates.indexOf(state);
}

/** The number in the catalog of an unsigned 64-bit number in decimal, such as an inode's. */
export function storedNumber(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt.asIntN(64, BigInt(text));
}

/** The bytes of a SHA-256 in hex. */
export function hashBytes(hex: string | null): Uint8Array | null {
  return hex === null ? null : Buffer.from(hex, 'hex');
}

/** The number of a set's layer, as part of a query. */
export function layerOf(setId: string): RawBuilder<number> {
  return sql<number>`(select no from layers where set_id = ${setId})`;
}

/** The number of a set's layer, which it gets when it has none; in the caller's transaction. */
export async function layerFor(tx: Catalog, setId: string): Promise<number> {
  const known = await tx.selectFrom('layers').select('no').where('set_id', '=', setId).executeTakeFirst();
  if (known !== undefined) return known.no;
  const { no } = await tx
    .insertInto('layers')
    .columns(['no', 'set_id'])
    .expression((eb) =>
      eb
        .selectFrom('layers')
        .select(({ val }) => [sql<number>`coalesce(max(no), 0) + 1`.as('next'), val(setId).as('id')]),
    )
    .returning('no')
    .executeTakeFirstOrThrow();
  return no;
}

/** A new row of a set's entries. */
export type NewFile = Omit<FileColumns, 'state'> & { state: StoredState };

/** The columns of `entries`, in the order of `entryValues`. */
export const entryColumns = [
  ...(['layer', 'path', 'type', 'state', 'dev', 'ino', 'group_no', 'size'] as const),
  ...(['mtime_s', 'mtime_ns', 'ctime_s', 'ctime_ns', 'mode', 'uid', 'gid', 'nlink'] as const),
  ...(['held_layer', 'held_group', 'link_target', 'hard_link_of', 'reason', 'sha256'] as const),
  ...(['tar_offset', 'stored_size', 'attributes'] as const),
] as const;

/**
 * The values of a row for `entries`.
 *
 * @param layers numbers of its set and of the one that holds it.
 */
export function entryValues(row: NewFile, layers: { own: number; held: number | null }): unknown[] {
  const isSameTime = row.ctime_s === row.mtime_s && row.ctime_ns === row.mtime_ns;
  return [
    ...[layers.own, row.path, typeCode(row.type), stateCode(row.state)],
    ...[storedNumber(row.dev), storedNumber(row.ino), row.group_no, row.size, row.mtime_s, row.mtime_ns],
    ...[isSameTime ? null : row.ctime_s, isSameTime ? null : row.ctime_ns],
    ...[row.mode, row.uid, row.gid, row.nlink, layers.held, row.held_group],
    ...[row.link_target, row.hard_link_of, row.reason, hashBytes(row.sha256)],
    ...[row.tar_offset, row.stored_size, row.attributes],
  ];
}
