import { entryTypes, fileStates } from './entry-codes.js';

/** A word of a list by its place. */
const words = (column: string, list: readonly string[]) =>
  `case ${column} ${list.map((word, code) => `when ${code} then '${word}'`).join(' ')} end`;

/** The view `files`: what the rows of `entries` say, in the words of the program. */
export function filesView(isPostgres: boolean): string {
  const unsigned = (column: string) =>
    isPostgres
      ? `cast(case when ${column} < 0 then ${column} + 18446744073709551616 else ${column} end as text)`
      : `case when ${column} < 0 then printf('%u', ${column}) else cast(${column} as text) end`;
  const hex = isPostgres
    ? `encode(sha256, 'hex')`
    : `case when sha256 is not null then lower(hex(sha256)) end`;
  return `create view files as select layers.set_id as set_id, path, group_no,
      ${words('type', entryTypes)} as type, size, mtime_s, mtime_ns,
      coalesce(ctime_s, mtime_s) as ctime_s, coalesce(ctime_ns, mtime_ns) as ctime_ns,
      mode, uid, gid, ${unsigned('dev')} as dev, ${unsigned('ino')} as ino, nlink, link_target, hard_link_of,
      ${words('state', fileStates)} as state, reason, ${hex} as sha256, tar_offset, stored_size,
      (select holder.set_id from layers as holder where holder.no = held_layer) as held_set, held_group, attributes
    from layers join entries on entries.layer = layers.no`;
}
