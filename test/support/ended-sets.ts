import { toBytes } from '../../entry/byte-string.js';
import { beginErase, finishErase } from '../../catalog/tapes/erase.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import type { NewFile } from '../../catalog/files/entry-rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recordSetState } from '../../catalog/sets/set-states.js';
import { insertTape, tapeByName } from '../../catalog/tapes/tapes.js';
import type { Retentions } from '../../config/settings/retention.js';
import { addFile } from './file-rows.js';
import { tapeRow } from './tape-rows.js';

/** When every set of these tests ends, unless it says otherwise. */
export const ended = Date.parse('2026-01-01T00:00:00Z');
/** Keeps every set for ten days after its end. */
export const tenDays: Retentions = { pools: {}, otherwise: 10 * 86_400 };

/** What a set of a test is like. */
export interface SetFacts {
  mode?: string;
  state?: SetState;
  /** When it was begun and ended, in milliseconds since 1970. */
  begun?: number;
  end?: number;
  sources?: string[];
  pool?: string;
  /** The tape of each group, by name. */
  tapes?: string[];
}

/** A tape of a pool, which is made if there is none of that name. */
export async function tapeNamed(catalog: Catalog, name: string, pool = 'default') {
  const known = await tapeByName(catalog, name);
  if (known !== undefined) return known;
  await insertTape(catalog, tapeRow(`uuid of ${name}`, name, pool));
  return tapeNamed(catalog, name);
}

/** A set that has ended, with one file in each group and each group on a tape. */
export async function endedSet(catalog: Catalog, facts: SetFacts = {}): Promise<string> {
  const {
    mode = 'full',
    state = 'completed',
    end = ended,
    pool = 'default',
    tapes = ['T'],
    sources = ['/x'],
  } = facts;
  const rest = { excludes: [], drive: 'lto1', direct: false, options: {} };
  const { set } = await openSet(catalog, { ...rest, sources, mode, pool }, { fresh: true });
  for (const [index, name] of tapes.entries()) await addGroup(catalog, set.id, index + 1, name, pool);
  await recordSetState(catalog, set.id, state, null);
  const begun = facts.begun ?? set.created_at;
  await catalog
    .updateTable('sets')
    .set({ finished_at: end, created_at: begun })
    .where('id', '=', set.id)
    .execute();
  return set.id;
}

/** A group with one file, whose archive is on a tape. */
export async function addGroup(
  catalog: Catalog,
  setId: string,
  no: number,
  tapeName: string,
  pool: string,
): Promise<void> {
  const path = toBytes(`x/${no}`);
  const group = { set_id: setId, no, state: 'released', bytes: 1, entries: 1 } as const;
  await catalog
    .insertInto('groups')
    .values({ ...group, first_path: path, last_path: path, direct: 0, reserved: 0 })
    .execute();
  const names = { name: `${setId}/${no}`, manifest_name: `${setId}/${no}`, token: 't', sha256: '' };
  const numbers = { size: 7, manifest_size: 1, bytes_in: 1, members: 1, created_at: 0 };
  const rest = { manifest_sha256: 'm', block_bytes: null, blocks: null };
  await catalog
    .insertInto('archives')
    .values({ set_id: setId, group_no: no, ...names, ...numbers, ...rest })
    .execute();
  await addCopy(catalog, setId, no, tapeName, pool);
  await addFile(catalog, fileRow(setId, no, path));
}

/** A copy of a group's archive on a tape. */
export async function addCopy(
  catalog: Catalog,
  setId: string,
  no: number,
  tapeName: string,
  pool: string,
  copyNo = 1,
): Promise<void> {
  const { uuid } = await tapeNamed(catalog, tapeName, pool);
  const copy = { set_id: setId, group_no: no, copy_no: copyNo, tape_uuid: uuid, token: 't' };
  await catalog
    .insertInto('copies')
    .values({ ...copy, state: 'committed', written_at: 1, committed_at: 1 })
    .execute();
}

/** The file of a group. */
export function fileRow(setId: string, no: number, path: Uint8Array): NewFile {
  const times = { mtime_s: 0, mtime_ns: 0, ctime_s: 0, ctime_ns: 0 };
  return {
    ...{ set_id: setId, path, group_no: no, type: 'file', size: 1, ...times, mode: 0, uid: 0, gid: 0 },
    ...{ dev: '0', ino: '0', nlink: 1, link_target: null, hard_link_of: null, state: 'packed', reason: null },
    ...{
      sha256: null,
      tar_offset: 512,
      held_set: null,
      held_group: null,
      stored_size: null,
      attributes: null,
    },
  };
}

/** Erases a tape, with everything that follows from it in the catalog. */
export async function erase(
  catalog: Catalog,
  name: string,
  how: Partial<Parameters<typeof beginErase>[1]> = {},
): Promise<void> {
  const { uuid } = await tapeNamed(catalog, name);
  const wish = { tape: uuid, retentions: tenDays, evenUnexpired: false, ...how };
  const tape = await beginErase(catalog, wish, `new uuid of ${name}`);
  const label = { uuid: `new uuid of ${name}`, name, volume: null, capacity: 1, free: 1 };
  await finishErase(catalog, tape, label);
  await purgeErased(catalog);
}
