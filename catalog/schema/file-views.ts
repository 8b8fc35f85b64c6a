import { entryTypes, fileStates } from './entry-codes.js';

/** A word of a list by its place. */
const words = (column: string, list: readonly string[]) =>
  `case ${column} ${list.map((word, code) => `when ${code} then '${word}'`).join(' ')} end`;

const setOf = (layer: string) => `(select holder.set_id from layers as holder where holder.no = ${layer})`;

/** What a row says of an entry whoever has it, in the words of the program. */
function plainColumns(isPostgres: boolean): string {
  const unsigned = (column: string) =>
    isPostgres
      ? `cast(case when ${column} < 0 then ${column} + 18446744073709551616 else ${column} end as text)`
      : `case when ${column} < 0 then printf('%u', ${column}) else cast(${column} as text) end`;
  const hex = isPostgres
    ? `encode(sha256, 'hex')`
    : `case when sha256 is not null then lower(hex(sha256)) end`;
  return `path, ${words('type', entryTypes)} as type, size, mtime_s, mtime_ns,
    coalesce(ctime_s, mtime_s) as ctime_s, coalesce(ctime_ns, mtime_ns) as ctime_ns,
    mode, uid, gid, ${unsigned('dev')} as dev, ${unsigned('ino')} as ino, nlink, link_target, hard_link_of,
    reason, ${hex} as sha256, tar_offset, stored_size, attributes`;
}

/** What it says for its own set. */
function ownColumns(isPostgres: boolean): string {
  return `${plainColumns(isPostgres)}, ${words('state', fileStates)} as state,
    ${setOf('held_layer')} as held_set, held_group, group_no`;
}

/** The view `files` of a catalog in which no set lies on another. */
export function filesView(isPostgres: boolean): string {
  return `create view files as select layers.set_id as set_id, ${ownColumns(isPostgres)}
    from layers join entries on entries.layer = layers.no`;
}

/** Nothing above a layer hides what is in it under a path, since it was not read; as `KnownSpans` says it. */
const isKnown = `and not exists (
        select 1 from chains as gate join layers as told on told.no = gate.part
        where gate.layer = own.no and gate.depth < chains.depth and gate.gated = 1
        and not exists (
          select 1 from groups where groups.set_id = told.set_id and on_base = 1
          and first_path <= entries.path and last_path >= entries.path))`;

/**
 * The views of `entries`. In `files`, a row of a layer below is an unchanged entry of the set when no row above it has
 * its path, and the scan has come to it; `treeRows` in catalog/files/tree-rows.ts says the same.
 *
 * @param hasGates false for a catalog in which no set that was read from tapes lies on another.
 */
export function fileViews(isPostgres: boolean, hasGates = true): string[] {
  const codes = (...states: (typeof fileStates)[number][]) =>
    states.map((state) => fileStates.indexOf(state)).join(', ');
  return [
    `create view layer_files as select layer, ${ownColumns(isPostgres)} from entries`,
    `create view files as select own.set_id as set_id, ${plainColumns(isPostgres)},
      case when depth = 0 then ${words('state', fileStates)} else 'unchanged' end as state,
      case when held_layer is not null then ${setOf('held_layer')}
        when depth = 0 then null else ${setOf('chains.part')} end as held_set,
      case when depth = 0 then held_group else coalesce(held_group, group_no) end as held_group,
      case when depth = 0 then group_no else
        (select max(no) from groups where groups.set_id = own.set_id and first_path <= entries.path) end as group_no
    from layers as own join chains on chains.layer = own.no join entries on entries.layer = chains.part
    where state <> ${codes('gone')} and (depth = 0 or (
      type = ${entryTypes.indexOf('file')} and nlink = 1 and reason is null
      and state in (${codes('packed', 'unchanged')})
      and path <= (select last_path from groups where groups.set_id = own.set_id order by no desc limit 1)
      and not exists (
        select 1 from chains as above join entries as higher on higher.layer = above.part
        where above.layer = own.no and above.depth < chains.depth and higher.path = entries.path)
      ${hasGates ? isKnown : ''}))`,
  ];
}
