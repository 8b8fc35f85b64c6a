import { entryTypes, fileStates } from './entry-codes.js';
import { placeBase, placeDigits, placesPerRow, tarBlockBytes } from './places.js';

/** A word of a list by its place. */
const words = (column: string, list: readonly string[]) =>
  `case ${column} ${list.map((word, code) => `when ${code} then '${word}'`).join(' ')} end`;

const setOf = (layer: string) => `(select holder.set_id from layers as holder where holder.no = ${layer})`;

/** What a row says of an entry whoever has it, in the words of the program. */
function plainColumns(isPostgres: boolean, tarOffset = 'tar_offset'): string {
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
    reason, ${hex} as sha256, ${tarOffset} as tar_offset, stored_size, attributes`;
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

/** The place of a row of a folded set's root, as `Places` in catalog/files/places.ts finds it. */
function placeOf(isPostgres: boolean): string {
  const digits = Array.from({ length: placeDigits }, (_, digit) => {
    const before = placeDigits - digit;
    const value = isPostgres
      ? `cast(get_byte(places, cast(${placeDigits} * no - ${before} as int)) as bigint)`
      : `coalesce(unicode(substr(places, ${placeDigits} * no - ${before - 1}, 1)), 0)`;
    return `${value} * ${placeBase ** (before - 1)}`;
  });
  return `(select case when length(places) >= ${placeDigits} * no then ${digits.join(' + ')} else 0 end
    from (select places, (
        select count(*) from (
          select 1 from entries as known
          where known.layer = chains.part and known.path >= offsets.first and known.path <= entries.path
          limit ${placesPerRow + 1}) as counted) as no
      from offsets where offsets.layer = chains.through and offsets.first <= entries.path
      order by offsets.first desc limit 1) as found)`;
}

/** The group of a set in which a path is; the first ones of its groups are in the order of the paths. */
const groupIn = (setId: string) =>
  `(select max(no) from groups where groups.set_id = ${setId} and first_path <= entries.path)`;

/** What a catalog may have: only sets on others, also some that were read from tapes, also full sets on others. */
type ViewLevel = 'layers' | 'gates' | 'folded';

/**
 * The views of `entries`. In `files`, a row of a layer below is an unchanged entry of the set when no row above it has
 * its path, and the scan has come to it; of a folded set it is the set's own. `treeRows` in catalog/files/tree-rows.ts
 * says the same.
 *
 * @param level as of the migration that makes them.
 */
export function fileViews(isPostgres: boolean, level: ViewLevel = 'folded'): string[] {
  const codes = (...states: (typeof fileStates)[number][]) =>
    states.map((state) => fileStates.indexOf(state)).join(', ');
  const isFolded = level === 'folded';
  const place = placeOf(isPostgres);
  const offset = `case when through is null then tar_offset else (${place} - 1) * ${tarBlockBytes} end`;
  // Rows of its own layer, and those that a folded set need not repeat.
  const isOwn = isFolded ? '(depth = 0 or through = own.no)' : 'depth = 0';
  const heldSet = isFolded ? setOf('coalesce(through, chains.part)') : setOf('chains.part');
  const heldGroup = isFolded
    ? `case when through is null then coalesce(held_group, group_no) else ${groupIn(setOf('through'))} end`
    : 'coalesce(held_group, group_no)';
  return [
    `create view layer_files as select layer, ${ownColumns(isPostgres)} from entries`,
    `create view files as select own.set_id as set_id, ${plainColumns(isPostgres, isFolded ? offset : undefined)},
      case when ${isOwn} then ${words('state', fileStates)} else 'unchanged' end as state,
      case when held_layer is not null then ${setOf('held_layer')}
        when ${isOwn} then null else ${heldSet} end as held_set,
      case when ${isOwn} then held_group else ${heldGroup} end as held_group,
      case when depth = 0 then group_no else ${groupIn('own.set_id')} end as group_no
    from layers as own join chains on chains.layer = own.no join entries on entries.layer = chains.part
    where state <> ${codes('gone')} and (depth = 0 or (
      type = ${entryTypes.indexOf('file')} and nlink = 1 and reason is null
      and state in (${codes('packed', 'unchanged')})
      and path <= (select last_path from groups where groups.set_id = own.set_id order by no desc limit 1)
      and not exists (
        select 1 from chains as above join entries as higher on higher.layer = above.part
        where above.layer = own.no and above.depth < chains.depth and higher.path = entries.path)
      ${level === 'layers' ? '' : isKnown}
      ${isFolded ? `and (through is null or ${place} > 0)` : ''}))`,
  ];
}
