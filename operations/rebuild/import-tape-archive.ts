import { copyOnTape } from '../../catalog/copies/tape-copies.js';
import { noteDamage } from '../../catalog/copies/copy-findings.js';
import type { FoundArchive } from '../../catalog/rebuilt/found-archive.js';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { PayloadKey } from '../../archive/age/age-format.js';
import { ArchiveDamaged } from '../../archive/readers/archive-file.js';
import { displayName } from '../../entry/byte-string.js';
import { examineManifest, manifestEntries } from '../../archive/manifest/examine-manifest.js';
import { type ManifestSummary, ManifestError } from '../../entry/manifest-content.js';
import { FormatUnsupported, formatOf } from '../../entry/archive-format.js';
import { rebuildManifest } from '../../archive/manifest/rebuild-manifest.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import { CatalogConflict, timeOf } from '../../catalog/rebuilt/rebuilt-sets.js';
import { formatCount } from '../../config/counts.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import { sideOf } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { archiveNames, manifestNames } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import { copyFromTape } from '../../tape/files/hash-file.js';
import { registerArchive, type Candidate } from './register-archive.js';
import type { ArchiveReport, ImportContext } from './import-context.js';
import { isFile, lstatOf, presentOf, unknownHeader } from './found-files.js';
import { openIfEncrypted, takeClosed } from './encrypted-on-tape.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { english } from '../../messages/sentence.js';

export type { ArchiveReport, ImportContext };

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
  const manifestFile = path.join(folder, await presentOf(folder, manifestNames(setId, group)));
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
    const opened = await openIfEncrypted(context, manifestFile);
    if (opened !== undefined && 'closed' in opened)
      return { ...report, ...(await takeClosed(context, group, manifestFile, opened.closed)) };
    const key = opened !== undefined && 'key' in opened ? opened.key : undefined;
    const examined =
      opened !== undefined && 'wrong' in opened
        ? opened
        : (await isFile(manifestFile))
          ? await examineManifest(manifestFile, { set: setId, group, archives: names }, key)
          : { wrong: english`it is missing`, header: undefined };
    if ('wrong' in examined && !alone) return undefined;
    const { header } = examined;
    const name = header?.archive ?? (await presentOf(folder, names));
    report.archive = name;
    const stats = await lstatOf(path.join(folder, name));
    if (stats === undefined) {
      report.trouble =
        'wrong' in examined
          ? english`The archive ${name} is not on the tape, though its manifest is:
              what it held is lost there.`
          : english`The archive ${name} is not on the tape, though its manifest is:
              its ${describeEntries(examined)} are lost there.`;
      return report;
    }
    const found: Candidate = { group, name, file: path.join(folder, name), ...stats, header };
    const outcome =
      'wrong' in examined || alone
        ? await takeAlone(context, found, 'wrong' in examined ? examined.wrong : contradicts, troubles)
        : await takeDescribed(context, found, { facts: examined, manifestFile, key }, troubles);
    Object.assign(report, outcome);
  } catch (error) {
    // The cause may be that the tape was removed.
    await confirmMedium(drive.settings, context.medium);
    if (isMountDeath(error)) throw error;
    if (error instanceof CatalogConflict) {
      report.contradicts = true;
      troubles.push(english`${error.message} It was left out.`);
    } else if (error instanceof ManifestError && !alone) return undefined;
    else if (error instanceof ManifestError)
      troubles.push(
        english`The archive ${report.archive} was left out: it is not one of tapeflow's (${error.message}).`,
      );
    else if (error instanceof ArchiveDamaged || isOfTheTape(error))
      troubles.push(english`The archive ${report.archive} cannot be read: ${describeError(error)}.`);
    else if (error instanceof FormatUnsupported)
      troubles.push(english`The archive ${report.archive} was left out: ${error.message}.`);
    else throw error;
  }
  if (troubles.length > 0) report.trouble = troubles.join(' ');
  return report;
}

/** Why a manifest that looks complete is bad: its entries could not be imported. */
const contradicts = english`it contradicts itself`;

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
  { facts, manifestFile, key }: { facts: ManifestSummary; manifestFile: string; key: PayloadKey | undefined },
  troubles: string[],
): Promise<Outcome> {
  const { setId } = context;
  const { group, name, size, mtimeMs } = found;
  const cut = size === facts.end.size ? null : english`has ${size} bytes instead of ${facts.end.size}`;
  if (cut !== null) {
    troubles.push(
      english`The archive ${name} ${cut}: \`tapeflow verify ${setId}\` tells which files are lost.`,
    );
  }
  // Imports from a local copy, so that the catalog's write lock is not held while a tape is read.
  const { scratch } = context;
  try {
    const beside = await copyFromTape(manifestFile, scratch);
    const archive: FoundArchive = {
      ...{ setId, group, facts, beside },
      entries: () => manifestEntries(scratch, key),
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
  troubles.push(english`The manifest of ${name} is not valid (${why}).`);
  const known = await archiveOf(catalog, setId, group);
  const here = known === undefined ? undefined : await copyOnTape(catalog, setId, group, tape.uuid);
  if (known !== undefined && here !== undefined) {
    const cut = known.size === size ? null : english`has ${size} bytes instead of ${known.size}`;
    const copy = { set_id: setId, group_no: group, copy_no: here.copy_no };
    if (cut !== null && here.state === 'committed') await noteDamage(catalog, copy, cut);
    const damage = cut ?? here.damage;
    if (damage !== null) troubles.push(english`The archive ${name} ${damage}.`);
    return { outcome: 'known', entries: 0, fromArchive: false };
  }
  const opened = await openIfEncrypted(context, file);
  if (opened !== undefined && !('key' in opened))
    throw new ArchiveDamaged('closed' in opened ? opened.closed : opened.wrong);
  context.say(
    english`The manifest of ${name} is not valid (${why}): the archive itself is read, ${formatBytes(size)}.`,
  );
  await rm(scratch, { force: true });
  try {
    const header = found.header ?? unknownHeader(setId, group, name, mtimeMs);
    const { damage } = await rebuildManifest(file, formatOf(name) ?? 'gzip', scratch, header, opened);
    if (damage !== undefined) troubles.push(english`The archive ${name} ${damage}.`);
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

function describeEntries({ entries, first, last }: ManifestSummary): string {
  return english`${formatCount(entries, 'entry', 'entries')}, /${displayName(first)} to /${displayName(last)},`;
}
