import { copyOnTape } from '../../catalog/copies/tape-copies.js';
import { noteDamage } from '../../catalog/copies/copy-findings.js';
import type { FoundArchive } from '../../catalog/rebuilt/found-archive.js';
import { lstat, rm } from 'node:fs/promises';
import path from 'node:path';
import { ArchiveDamaged } from '../../archive/readers/archive-file.js';
import { displayName } from '../../entry/byte-string.js';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { type ManifestSummary, type ManifestHeader, ManifestError } from '../../entry/manifest-content.js';
import { clampSeconds } from '../../entry/file-time.js';
import { FormatUnsupported, formatOf } from '../../entry/archive-format.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import { CatalogConflict, timeOf } from '../../catalog/rebuilt/rebuilt-sets.js';
import { formatCount } from '../../config/counts.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import { onSide, sideOf } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { archiveNames, manifestName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { copyFromTape } from '../../tape/files/hash-file.js';
import {
  registerArchive,
  type Candidate,
  type RegisterOutcome,
  type TapeContext,
} from './register-archive.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';

export interface ImportContext extends TapeContext {
  /** Path of a temporary file: a manifest made from its archive. */
  scratch: string;
  /** Called before an archive without a good manifest is read completely, which can take long. */
  say(sentence: string): void;
}

/** The outcome for one archive of a tape. */
export interface ArchiveReport {
  setId: string;
  group: number;
  archive: string;
  /** `refused`: nothing was imported. */
  outcome: RegisterOutcome | 'refused';
  entries: number;
  /** True when the archive itself was read, because it lacks a good manifest. */
  fromArchive: boolean;
  /** What is wrong with it, as sentences. */
  trouble: string | null;
  /** True when it contradicts the catalog. */
  contradicts: boolean;
}

/**
 * Imports one archive of a set by its manifest; returns undefined when the manifest is bad. `alone`: imports such an
 * archive by reading the archive itself.
 */
export async function importTapeArchive(
  context: ImportContext,
  group: number,
  { alone }: { alone: boolean },
): Promise<ArchiveReport | undefined> {
  const { drive, setId } = context;
  const folder = path.join(drive.settings.path, setId);
  const manifestFile = path.join(folder, manifestName(setId, group));
  const names = archiveNames(setId, group);
  const report: ArchiveReport = {
    ...{
      setId,
      group,
      archive: names[0] ?? '',
      outcome: 'refused',
      entries: 0,
      fromArchive: false,
      trouble: null,
      contradicts: false,
    },
  };
  const troubles: string[] = [];
  try {
    const examined = (await isFile(manifestFile))
      ? await examineManifest(manifestFile, { set: setId, group, archives: names })
      : { wrong: 'it is missing', header: undefined };
    if ('wrong' in examined && !alone) return undefined;
    const { header } = examined;
    const name = header?.archive ?? (await presentOf(folder, names));
    report.archive = name;
    const stats = await lstatOf(path.join(folder, name));
    if (stats === undefined) {
      const what = 'wrong' in examined ? 'what it held is' : `its ${describeEntries(examined)} are`;
      report.trouble = `The archive ${name} is not on the tape, though its manifest is: ${what} lost there.`;
      return report;
    }
    const found: Candidate = { group, name, file: path.join(folder, name), ...stats, header };
    const outcome =
      'wrong' in examined || alone
        ? await takeAlone(context, found, 'wrong' in examined ? examined.wrong : contradicts, troubles)
        : await takeDescribed(context, found, examined, manifestFile, troubles);
    Object.assign(report, outcome);
  } catch (error) {
    // The cause may be that the tape was removed.
    await confirmMedium(drive.settings, context.medium);
    if (isMountDeath(error)) throw error;
    if (error instanceof CatalogConflict) {
      report.contradicts = true;
      troubles.push(`${error.message} It was left out.`);
    } else if (error instanceof ManifestError && !alone) return undefined;
    else if (error instanceof ManifestError)
      troubles.push(
        `The archive ${report.archive} was left out: it is not one of tapeflow's (${error.message}).`,
      );
    else if (error instanceof ArchiveDamaged || isOfTheTape(error))
      troubles.push(`The archive ${report.archive} cannot be read: ${describeError(error)}.`);
    else if (error instanceof FormatUnsupported)
      troubles.push(`The archive ${report.archive} was left out: ${error.message}.`);
    else throw error;
  }
  if (troubles.length > 0) report.trouble = troubles.join(' ');
  return report;
}

/** Why a manifest that looks complete is bad: its entries could not be imported. */
const contradicts = 'it contradicts itself';

/** Errors of one file on a tape that do not concern the rest. */
const ofTheTape = new Set(['EIO', 'ENODATA', 'ENOENT', 'ELOOP', 'ENXIO', 'EACCES', 'EISDIR']);

function isOfTheTape(error: unknown): boolean {
  return sideOf(error) === 'tape' && ofTheTape.has(systemErrorCode(error) ?? '');
}

type Outcome = Pick<ArchiveReport, 'outcome' | 'entries' | 'fromArchive'>;

/** An archive with a good manifest. */
async function takeDescribed(
  context: ImportContext,
  found: Candidate,
  facts: ManifestSummary,
  manifestFile: string,
  troubles: string[],
): Promise<Outcome> {
  const { setId } = context;
  const { group, name, size, mtimeMs } = found;
  const cut = size === facts.end.size ? null : `has ${size} bytes instead of ${facts.end.size}`;
  if (cut !== null) {
    troubles.push(`The archive ${name} ${cut}: \`tapeflow verify ${setId}\` tells which files are lost.`);
  }
  // Imports from a local copy, so that the catalog's write lock is not held while a tape is read.
  const { scratch } = context;
  try {
    const beside = await copyFromTape(manifestFile, scratch);
    const archive: FoundArchive = {
      ...{ setId, group, facts, beside },
      entries: () => manifestEntries(scratch),
      manifest: facts.header.rebuilt === true ? null : beside,
      createdAt: timeOf(facts.header.created, mtimeMs),
    };
    const outcome = await registerArchive(context, found, archive, cut);
    return { outcome, entries: facts.entries, fromArchive: false };
  } finally {
    await rm(scratch, { force: true });
  }
}

/** An archive without a good manifest: the archive itself is read, unless the catalog knows it. */
async function takeAlone(
  context: ImportContext,
  found: Candidate,
  why: string,
  troubles: string[],
): Promise<Outcome> {
  const { catalog, setId, tape, scratch } = context;
  const { group, name, file, size, mtimeMs } = found;
  troubles.push(`The manifest of ${name} is not valid (${why}).`);
  const known = await archiveOf(catalog, setId, group);
  const here = known === undefined ? undefined : await copyOnTape(catalog, setId, group, tape.uuid);
  if (known !== undefined && here !== undefined) {
    const cut = known.size === size ? null : `has ${size} bytes instead of ${known.size}`;
    const copy = { set_id: setId, group_no: group, copy_no: here.copy_no };
    if (cut !== null && here.state === 'committed') await noteDamage(catalog, copy, cut);
    const damage = cut ?? here.damage;
    if (damage !== null) troubles.push(`The archive ${name} ${damage}.`);
    return { outcome: 'known', entries: 0, fromArchive: false };
  }
  context.say(
    `The manifest of ${name} is not valid (${why}): the archive itself is read, ${formatBytes(size)}.`,
  );
  await rm(scratch, { force: true });
  try {
    const header = found.header ?? unknownHeader(setId, group, name, mtimeMs);
    const { damage } = await rebuildManifest(file, formatOf(name) ?? 'gzip', scratch, header);
    if (damage !== undefined) troubles.push(`The archive ${name} ${damage}.`);
    const facts = await examineManifest(scratch, { set: setId, group, archives: [name] });
    if ('wrong' in facts) throw new ManifestError(facts.wrong);
    const archive: FoundArchive = {
      ...{ setId, group, facts, manifest: null, beside: null },
      entries: () => manifestEntries(scratch),
      createdAt: timeOf(header.created, mtimeMs),
    };
    const outcome = await registerArchive(context, found, archive, damage ?? null);
    return { outcome, entries: facts.entries, fromArchive: true };
  } finally {
    await rm(scratch, { force: true });
  }
}

/** The first name that is a regular file; the first of all when none is. */
async function presentOf(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) if (await isFile(path.join(folder, name))) return name;
  return names[0] ?? '';
}

/** The manifest header for an archive about which nothing else is known. */
function unknownHeader(set: string, group: number, archive: string, mtimeMs: number): ManifestHeader {
  return {
    ...{ set, setUuid: '', group, archive, created: new Date(mtimeMs).toISOString(), installation: '' },
    ...{ sources: [], hostname: '', mode: 'full', platform: process.platform },
  };
}

function describeEntries({ entries, first, last }: ManifestSummary): string {
  return `${formatCount(entries, 'entry', 'entries')}, /${displayName(first)} to /${displayName(last)},`;
}

/** Size and time of a regular file; undefined when there is none of that name. */
async function lstatOf(file: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    const stats = await onSide('tape', () => lstat(file));
    if (!stats.isFile()) return undefined;
    return { size: stats.size, mtimeMs: Math.floor(clampSeconds(stats.mtimeMs / 1000) * 1000) };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

async function isFile(file: string): Promise<boolean> {
  return (await lstatOf(file)) !== undefined;
}
