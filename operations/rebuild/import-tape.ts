import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Identity } from '../../archive/age/identity-file.js';
import { isSetId, rememberSeenSets } from '../../catalog/sets/set-id.js';
import { purgeErased } from '../../catalog/tapes/purge-erased.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { CatalogConflict } from '../../catalog/rebuilt/rebuilt-sets.js';
import { registerSetEnd } from '../../catalog/sets/set-end.js';
import { setsOn } from '../../catalog/rebuilt/rebuilt-layers.js';
import { deriveRebuiltState, type RebuiltSet } from '../../catalog/rebuilt/rebuilt-state.js';
import type { TapeRow } from '../../catalog/rows.js';
import { describeError } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { archiveNames, manifestNames, parseArchiveName } from '../../entry/archive-name.js';
import { adoptTape } from '../tapes/adopt-tape.js';
import { confirmMedium, type Drive, type Medium } from '../../tape/drives/drive.js';
import type { DriveLock } from '../../tape/drives/drive-lock.js';
import { registerTape } from '../tapes/register-tape.js';
import { readEndMark } from '../../tape/labels/end-mark.js';
import { lookAt } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { english } from '../../messages/sentence.js';
import { importTapeArchive, type ArchiveReport, type ImportContext } from './import-tape-archive.js';

export interface TapeImport {
  tape: TapeRow;
  /** Sets known only from tapes that the tape tells of, and those that build on them, in their current state. */
  sets: RebuiltSet[];
  /** Number of archives by outcome. */
  counts: Record<ArchiveReport['outcome'], number>;
  /** Sentences about what is damaged, missing or contradicts the catalog. */
  troubles: string[];
  /** How many of these are contradictions: the tape may belong to an active installation. */
  contradictions: number;
}

/** True when there was something on the tape but nothing could be imported. */
export function nothingRead({ counts, troubles }: Pick<TapeImport, 'counts' | 'troubles'>): boolean {
  return troubles.length > 0 && counts.added + counts.copy + counts.known === 0;
}

export interface ReadOptions {
  drive: Drive;
  lock: DriveLock;
  catalog: Catalog;
  /** Path of a temporary local file: a manifest, copied from the tape or made from its archive. */
  scratch: string;
  /**
   * Receives what no report of an archive contains: that one will be read completely, which can take long, or that a
   * folder cannot be read.
   */
  say(sentence: string): void;
  onArchive(report: ArchiveReport): void;
  /** The identities that open what is encrypted; asked for when something is. Default: none. */
  identities?: (() => Promise<Identity[] | undefined>) | undefined;
  /**
   * Adopt a tape of another installation, so that new archives can be appended. Damage does not prevent this; a tape
   * that contradicts the catalog, or of which nothing could be read, stays as it is.
   */
  adopt?: boolean;
}

/** The file for `scratch`, one per drive, since one process uses a drive at a time. */
export function scratchFile(settings: Settings, { name }: DriveSettings): string {
  return path.join(settings.TAPEFLOW_DATA_DIR, `tape-catalog.${name}.part`);
}

/**
 * Imports the tape in a drive into the catalog: the tape, its sets, and each archive in its own transaction, so that it
 * continues where it was interrupted. Known archives are compared. Problems with one archive or set are reported, and
 * the rest continues. Throws `TapeNotReady` when the tape cannot be read or is removed meanwhile.
 */
export async function importTape(options: ReadOptions): Promise<TapeImport> {
  const { drive, lock } = options;
  const medium = await lookAt(drive, () => drive.medium());
  return lock.hold(medium, () => readHeld(options, medium));
}

async function readHeld(options: ReadOptions, medium: Medium): Promise<TapeImport> {
  const { drive, catalog } = options;
  await purgeErased(catalog);
  const tape = await registerTape(drive, catalog, medium);
  const reading: TapeImport = {
    tape,
    sets: [],
    counts: { added: 0, copy: 0, known: 0, refused: 0 },
    troubles: [],
    contradictions: 0,
  };
  const entries = await lookAt(drive, () => readdir(drive.settings.path));
  const setIds = entries.filter(isSetId).sort();
  await rememberSeenSets(catalog, setIds);
  const sets = new Map<string, RebuiltSet>();
  for (const setId of setIds) {
    const found = await groupsIn(path.join(drive.settings.path, setId)).catch((error: unknown) => {
      const trouble = english`The folder ${setId} of the tape cannot be read: ${describeError(error)}.`;
      reading.troubles.push(trouble);
      options.say(trouble);
      return [];
    });
    await takeSet({ ...options, medium, tape, setId }, found, (report) => {
      reading.counts[report.outcome] += 1;
      if (report.trouble !== null) reading.troubles.push(report.trouble);
      if (report.contradicts) reading.contradictions += 1;
      options.onArchive(report);
    });
    const wrong = await takeEnd(options, medium, tape, setId);
    if (wrong !== undefined) {
      reading.troubles.push(wrong.trouble);
      if (wrong.contradicts) reading.contradictions += 1;
      options.say(wrong.trouble);
    }
    for (const id of [setId, ...(await setsOn(catalog, setId))]) {
      const settled = await deriveRebuiltState(catalog, id);
      if (settled !== undefined) sets.set(id, settled);
    }
  }
  reading.sets = [...sets.values()].sort((a, b) => (a.setId < b.setId ? -1 : 1));
  const mayBeOurs = reading.contradictions === 0 && !nothingRead(reading);
  if (options.adopt === true && tape.state === 'foreign' && mayBeOurs)
    reading.tape = await adoptTape(drive, options.lock, catalog, tape, medium);
  return reading;
}

/** Imports the end mark of a set on the tape, if it has one; returns what is wrong with it, as a sentence. */
async function takeEnd(
  { drive, catalog }: ReadOptions,
  medium: Medium,
  tape: TapeRow,
  setId: string,
): Promise<{ trouble: string; contradicts: boolean } | undefined> {
  const wrong = (trouble: string, contradicts = false) => ({ trouble, contradicts });
  try {
    const found = await readEndMark(drive.settings.path, setId);
    if (found === undefined) return undefined;
    if ('wrong' in found)
      return wrong(english`The end mark of the set ${setId} is not valid: ${found.wrong}.`);
    await confirmMedium(drive.settings, medium);
    await registerSetEnd(catalog, setId, tape.uuid, found.mark);
    return undefined;
  } catch (error) {
    if (error instanceof CatalogConflict) return wrong(error.message, true);
    await confirmMedium(drive.settings, medium);
    if (isMountDeath(error) || sideOf(error) !== 'tape') throw error;
    return wrong(english`The end mark of the set ${setId} cannot be read: ${describeError(error)}.`);
  }
}

/** Archives with a good manifest first: it identifies the set, which an archive alone does not. */
async function takeSet(
  context: ImportContext,
  groups: readonly number[],
  report: (report: ArchiveReport) => void,
): Promise<void> {
  const later: number[] = [];
  for (const group of groups) {
    const taken = await importTapeArchive(context, group, { alone: false });
    if (taken === undefined) later.push(group);
    else report(taken);
  }
  for (const group of later) {
    const taken = await importTapeArchive(context, group, { alone: true });
    if (taken !== undefined) report(taken);
  }
}

/** Numbers of the groups with an archive or a manifest in a set's folder, ascending. */
async function groupsIn(folder: string): Promise<number[]> {
  if (!(await lstat(folder)).isDirectory())
    throw Object.assign(new Error(english`it is not a folder`), { code: undefined });
  const setId = path.basename(folder);
  const groups = new Set<number>();
  for (const name of await readdir(folder)) {
    const parsed = parseArchiveName(name);
    if (parsed === undefined || parsed.setId !== setId) continue;
    const { group } = parsed;
    // A number with more leading zeros than ours is not one of our file names.
    if (group < 1 || !Number.isSafeInteger(group)) continue;
    if ([...archiveNames(setId, group), ...manifestNames(setId, group)].includes(name)) groups.add(group);
  }
  return [...groups].sort((a, b) => a - b);
}

/** The result of importing a tape by its drive's worker. */
export interface WorkerTapeImport extends TapeImport {
  /** The outcome for each archive; those with problems first if there are too many for one message. */
  reports: ArchiveReport[];
  /** Sentences that belong to no report. */
  said: string[];
  /** Number of reports that were left out. */
  more: number;
}
