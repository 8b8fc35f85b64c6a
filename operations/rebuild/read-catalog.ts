import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { forgetErased } from '../../catalog/tapes/erase.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { CatalogConflict } from '../../catalog/sets/rebuilt-sets.js';
import { enterEnd } from '../../catalog/sets/set-end.js';
import { settleRebuiltSet, type RebuiltSet } from '../../catalog/sets/settle-rebuilt.js';
import { isSetId, rememberSeenSets } from '../../catalog/sets/sets.js';
import type { TapeRow } from '../../catalog/rows.js';
import { describeError } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import type { DriveSettings, Settings } from '../../config/settings.js';
import { archiveNames, manifestName, parseArchiveName } from '../../entry/archive-name.js';
import { adoptTape } from '../tapes/adopt-tape.js';
import { confirmMedium, type Drive, type Medium } from '../../tape/drives/drive.js';
import type { DriveLock } from '../../tape/drives/drive-lock.js';
import { enterTape } from '../tapes/enter-tape.js';
import { readEndMark } from '../../tape/labels/end-mark.js';
import { lookAt } from '../../tape/drives/loaded-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { takeArchive, type ArchiveReport, type TakeContext } from './take-archive.js';

export interface CatalogReading {
  tape: TapeRow;
  /** Sets that the catalog knows from tapes, as they are now. */
  sets: RebuiltSet[];
  /** Archives by what became of them. */
  counts: Record<ArchiveReport['outcome'], number>;
  /** Sentences about what is damaged, missing, or contradicts the catalog. */
  troubles: string[];
  /** How many of these are contradictions: it may be the tape of an installation that is alive. */
  contradictions: number;
}

/** True when there was something on the tape, and nothing of it could be taken. */
export function nothingRead({ counts, troubles }: Pick<CatalogReading, 'counts' | 'troubles'>): boolean {
  return troubles.length > 0 && counts.added + counts.copy + counts.known === 0;
}

export interface ReadOptions {
  drive: Drive;
  lock: DriveLock;
  catalog: Catalog;
  /** A local file that may be made and deleted: a manifest, copied from the tape or made from its archive. */
  scratch: string;
  /** What no report of an archive says: that one will be read whole, which can take long, or a folder not at all. */
  say(sentence: string): void;
  onArchive(report: ArchiveReport): void;
  /**
   * Make a tape of another installation one of this, so that the next archive comes after the last. What is damaged
   * does not hinder that; a tape that contradicts the catalog, or of which nothing could be read, is kept as it is.
   */
  adopt?: boolean;
}

/** The file for `scratch`: of the drive, which one process has at a time. */
export function scratchFile(settings: Settings, { name }: DriveSettings): string {
  return path.join(settings.TAPEFLOW_DATA_DIR, `tape-catalog.${name}.part`);
}

/**
 * Puts what the tape in a drive holds into the catalog: the tape, its sets, and each archive in a transaction of its
 * own, so that it goes on where it was stopped. What is known already is compared. Whatever is wrong with one archive
 * or set is reported, and the rest goes on. Throws `TapeNotReady` when the tape cannot be read, or goes away meanwhile.
 */
export async function readCatalog(options: ReadOptions): Promise<CatalogReading> {
  const { drive, lock } = options;
  const medium = await lookAt(drive, () => drive.medium());
  return lock.hold(medium, () => readHeld(options, medium));
}

async function readHeld(options: ReadOptions, medium: Medium): Promise<CatalogReading> {
  const { drive, catalog } = options;
  await forgetErased(catalog);
  const tape = await enterTape(drive, catalog, medium);
  const reading: CatalogReading = {
    tape,
    sets: [],
    counts: { added: 0, copy: 0, known: 0, refused: 0 },
    troubles: [],
    contradictions: 0,
  };
  const entries = await lookAt(drive, () => readdir(drive.settings.path));
  const setIds = entries.filter(isSetId).sort();
  await rememberSeenSets(catalog, setIds);
  for (const setId of setIds) {
    const found = await groupsIn(path.join(drive.settings.path, setId)).catch((error: unknown) => {
      const trouble = `The folder ${setId} of the tape cannot be read: ${describeError(error)}.`;
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
    const settled = await settleRebuiltSet(catalog, setId);
    if (settled !== undefined) reading.sets.push(settled);
  }
  const mayBeOurs = reading.contradictions === 0 && !nothingRead(reading);
  if (options.adopt === true && tape.state === 'foreign' && mayBeOurs)
    reading.tape = await adoptTape(drive, options.lock, catalog, tape, medium);
  return reading;
}

/** Takes the end mark of a set on the tape, if it has one; returns what is wrong with it, as a sentence. */
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
    if ('wrong' in found) return wrong(`The end mark of the set ${setId} is no good: ${found.wrong}.`);
    await confirmMedium(drive.settings, medium);
    await enterEnd(catalog, setId, tape.uuid, found.mark);
    return undefined;
  } catch (error) {
    if (error instanceof CatalogConflict) return wrong(error.message, true);
    await confirmMedium(drive.settings, medium);
    if (isMountDeath(error) || sideOf(error) !== 'tape') throw error;
    return wrong(`The end mark of the set ${setId} cannot be read: ${describeError(error)}.`);
  }
}

/** Archives with a good manifest first: it says which set this is, which an archive alone does not. */
async function takeSet(
  context: TakeContext,
  groups: readonly number[],
  report: (report: ArchiveReport) => void,
): Promise<void> {
  const later: number[] = [];
  for (const group of groups) {
    const taken = await takeArchive(context, group, { alone: false });
    if (taken === undefined) later.push(group);
    else report(taken);
  }
  for (const group of later) {
    const taken = await takeArchive(context, group, { alone: true });
    if (taken !== undefined) report(taken);
  }
}

/** Numbers of the groups of which an archive or a manifest is in a set's folder, ascending. */
async function groupsIn(folder: string): Promise<number[]> {
  if (!(await lstat(folder)).isDirectory())
    throw Object.assign(new Error('it is no folder'), { code: undefined });
  const setId = path.basename(folder);
  const groups = new Set<number>();
  for (const name of await readdir(folder)) {
    const parsed = parseArchiveName(name);
    if (parsed === undefined || parsed.setId !== setId) continue;
    const { group } = parsed;
    // A number may be written with more zeros than ours are: that is another file's name.
    if (group < 1 || !Number.isSafeInteger(group)) continue;
    if ([...archiveNames(setId, group), manifestName(setId, group)].includes(name)) groups.add(group);
  }
  return [...groups].sort((a, b) => a - b);
}

/** What a tape holds, as its drive's worker has read it into the catalog. */
export interface WorkerReading extends CatalogReading {
  /** What became of each archive, those with a trouble first where it is too much for one message. */
  reports: ArchiveReport[];
  /** Sentences that no report holds. */
  said: string[];
  /** Reports that were left out. */
  more: number;
}
