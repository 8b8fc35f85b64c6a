import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { endMarkName } from '../../entry/archive-name.js';
import { assertSameTree, describeTree, listTar, untar } from './trees.js';

/** Where an installation has its parts. */
export interface Places {
  catalog: string;
  staging: string;
  tape: string;
  /** The only source of the set. */
  source: string;
}

/**
 * What is wrong with a set that has ended. `lost`: a file or an archive is missing, or the set did not complete.
 * `doubled`: something was stored or committed twice. `wrong bytes`: stored, but not what the source has. `unclean`:
 * nothing is wrong with the backup, but something was left behind, or the catalog contradicts itself.
 */
export interface Problem {
  kind: 'lost' | 'doubled' | 'wrong bytes' | 'unclean';
  what: string;
}

interface ArchiveFacts {
  group_no: number;
  name: string;
  size: number;
  sha256: string;
  manifest_name: string;
  manifest_size: number;
  manifest_sha256: string;
}

/** What of a set an earlier one holds. */
export interface Unchanged {
  base: string;
  /** Names below the source. */
  files: readonly string[];
}

/**
 * Compares a completed set with its source, byte for byte, and the tape, the staging area and the catalog with each
 * other.
 */
export function checkSet(places: Places, setId: string, groups: number, unchanged?: Unchanged): Problem[] {
  const database = new Database(places.catalog, { readonly: true, fileMustExist: true });
  try {
    return [
      ...checkCatalog(database, setId, groups),
      ...checkUnchanged(database, places, setId, unchanged),
      ...checkTape(database, places, setId, unchanged),
      ...checkStaging(places),
    ];
  } finally {
    database.close();
  }
}

function checkCatalog(database: Database.Database, setId: string, groups: number): Problem[] {
  const problems: Problem[] = [];
  const all = <Row>(sql: string) => database.prepare(sql).all(setId) as Row[];
  const set = all<{ state: string; reason: string | null }>('select state, reason from sets where id = ?')[0];
  if (set?.state !== 'completed')
    problems.push({ kind: 'lost', what: `the set is ${set?.state ?? 'unknown'} (${set?.reason ?? ''})` });
  const states = all<{ no: number; state: string; reserved: number }>(
    'select no, state, reserved from groups where set_id = ? order by no',
  );
  if (states.length !== groups)
    problems.push({ kind: 'unclean', what: `${states.length} groups instead of ${groups}` });
  for (const { no, state, reserved } of states) {
    if (state !== 'released') problems.push({ kind: 'lost', what: `group ${no} is ${state}` });
    if (reserved !== 0) problems.push({ kind: 'unclean', what: `group ${no} still holds ${reserved} bytes` });
  }
  const count = (table: string, column: string, where: string) =>
    all<{ group_no: number; count: number }>(
      `select ${column} as group_no, count(*) as count from ${table} where set_id = ? and ${where} group by 1`,
    );
  for (const [what, rows] of [
    ['committed copies', count('copies', 'group_no', `state = 'committed'`)],
    ['copies', count('copies', 'group_no', '1')],
    ['commits', count('events', 'group_no', `stage = 'committed'`)],
    ['archives', count('archives', 'group_no', '1')],
  ] as const) {
    for (const { no } of states) {
      const found = rows.find((row) => row.group_no === no)?.count ?? 0;
      if (found !== 1)
        problems.push({ kind: found === 0 ? 'lost' : 'doubled', what: `group ${no} has ${found} ${what}` });
    }
  }
  const unpacked = all<{ count: number }>(
    `select count(*) as count from files where set_id = ?
       and (state not in ('packed', 'unchanged') or reason is not null)`,
  )[0];
  if (unpacked?.count !== 0)
    problems.push({ kind: 'lost', what: `${unpacked?.count} entries are not packed in the catalog` });
  return problems;
}

/** Exactly these files are unchanged, and in the earlier set. */
function checkUnchanged(
  database: Database.Database,
  { source }: Places,
  setId: string,
  unchanged: Unchanged | undefined,
): Problem[] {
  const rows = database
    .prepare(`select path, held_set from files where set_id = ? and state = 'unchanged' order by path`)
    .all(setId) as { path: Buffer; held_set: string }[];
  const is = rows.map(({ path: name, held_set: holder }) => `${name.toString('latin1')} in ${holder}`);
  const { base = '', files = [] } = unchanged ?? {};
  const should = files.map((name) => `${path.join(source, name).slice(1)} in ${base}`);
  if (is.join() === should.join()) return [];
  return [{ kind: 'lost', what: `unchanged are ${is.join(', ')} instead of ${should.join(', ')}` }];
}

/** Names of a set's tree, folders with a slash behind them. */
function namesOf(database: Database.Database, setId: string): Set<string> {
  const names = database.prepare('select path from files where set_id = ?').pluck().all(setId) as Buffer[];
  return new Set(names.map((name) => name.toString('latin1')));
}

function checkTape(
  database: Database.Database,
  places: Places,
  setId: string,
  unchanged: Unchanged | undefined,
): Problem[] {
  const problems: Problem[] = [];
  const archives = database
    .prepare('select * from archives where set_id = ? order by group_no')
    .all(setId) as ArchiveFacts[];
  const folder = path.join(places.tape, setId);
  const wanted = new Map<string, { size: number; sha256: string }>();
  for (const archive of archives) {
    wanted.set(archive.name, archive);
    wanted.set(archive.manifest_name, { size: archive.manifest_size, sha256: archive.manifest_sha256 });
  }
  const mark = endMarkName(setId);
  const there = namesIn(folder).filter((name) => name !== mark);
  if (markedGroups(path.join(folder, mark)) !== archives.length)
    problems.push({ kind: 'lost', what: `the end mark does not tell of ${archives.length} groups` });
  for (const name of namesIn(places.tape)) {
    if (name.endsWith('.part')) problems.push({ kind: 'unclean', what: `${name} was left on the tape` });
  }
  for (const name of there) {
    if (!wanted.has(name)) problems.push({ kind: 'unclean', what: `${path.join(folder, name)} was left` });
  }
  for (const [name, { size, sha256 }] of wanted) {
    if (!there.includes(name)) problems.push({ kind: 'lost', what: `${name} is not on the tape` });
    else if (statSync(path.join(folder, name)).size !== size || hashOf(path.join(folder, name)) !== sha256)
      problems.push({ kind: 'wrong bytes', what: `${name} is not what the catalog says` });
  }
  if (problems.every((problem) => problem.kind === 'unclean')) {
    const own = archives.map((archive) => path.join(folder, archive.name));
    const earlier = unchanged === undefined ? [] : archivesIn(path.join(places.tape, unchanged.base));
    problems.push(...checkContents(own, earlier, namesOf(database, setId), places.source));
  }
  return problems;
}

/**
 * Unpacks with the system's tar, as a person without tapeflow would, and compares with the source.
 *
 * @param storedAs the source's path on the machine that it was backed up on.
 */
export function checkContents(
  archives: string[],
  earlier: string[],
  names: ReadonlySet<string>,
  source: string,
  storedAs = source,
): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  for (const name of archives.flatMap((archive) => listTar(archive)))
    seen.set(name, (seen.get(name) ?? 0) + 1);
  for (const [name, times] of seen) {
    if (times > 1) problems.push({ kind: 'doubled', what: `${name} is ${times} times on the tape` });
  }
  const target = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-untar-'));
  try {
    untar([...earlier, ...archives], target);
    // What an earlier set has, and this one has not.
    for (const name of earlier.flatMap((archive) => listTar(archive)))
      if (!name.endsWith('/') && !names.has(name)) rmSync(path.join(target, name));
    const stored = describeTree(path.join(target, storedAs));
    for (const [name, should] of Object.entries(describeTree(source))) {
      const is = stored[name];
      // Unpacking a second archive into a folder changes its time.
      const comparable = (entry: object) =>
        JSON.stringify(should.type === 'directory' ? { ...entry, mtimeNs: '' } : entry);
      if (is === undefined) problems.push({ kind: 'lost', what: `${name} is in no archive` });
      else if (comparable(is) !== comparable(should))
        problems.push({ kind: 'wrong bytes', what: `${name} differs from the source` });
      delete stored[name];
    }
    for (const name of Object.keys(stored))
      problems.push({ kind: 'unclean', what: `${name} is in an archive, but not in the source` });
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
  return problems;
}

/** Nothing at all may be staged, not even a folder of the set, when no set is under way. */
export function checkStaging({ staging }: Pick<Places, 'staging'>): Problem[] {
  return ['temp', 'final', 'copy'].flatMap((stage) =>
    namesIn(path.join(staging, stage)).map((name): Problem => {
      const folder = path.join(staging, stage, name);
      return { kind: 'unclean', what: `${folder} was left, with ${namesIn(folder).join(', ') || 'nothing'}` };
    }),
  );
}

/** The target of a restore has the whole tree of its source, and nothing else. */
export function checkTarget(target: string, source: string): Problem[] {
  const [top] = source.split('/').slice(1);
  const problems = namesIn(target)
    .filter((name) => name !== top)
    .map((name): Problem => ({ kind: 'unclean', what: `${path.join(target, name)} was left` }));
  try {
    assertSameTree(path.join(target, source), source, { folderTimes: true, nearTimes: true });
  } catch (error) {
    problems.push({ kind: 'wrong bytes', what: error instanceof Error ? error.message : String(error) });
  }
  return problems;
}

/** Groups that an end mark tells of; undefined when there is none that is whole. */
function markedGroups(file: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { groups: number }).groups;
  } catch {
    return undefined;
  }
}

function archivesIn(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => name.endsWith('.tar.gz'))
    .map((name) => path.join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

export function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
