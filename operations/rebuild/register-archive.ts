import { stateWord } from '../../catalog/schema/state-words.js';
import { copyOnTape } from '../../catalog/copies/tape-copies.js';
import { hasUndamagedCopy, noteDamage } from '../../catalog/copies/copy-findings.js';
import type { FoundArchive } from '../../catalog/rebuilt/found-archive.js';
import { importCopy } from '../../catalog/rebuilt/import-copy.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import type { ArchiveRow, SetRow, TapeRow } from '../../catalog/rows.js';
import { forgetImported, importArchive } from '../../catalog/rebuilt/import-archive.js';
import type { ManifestHeader } from '../../entry/manifest-content.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { CatalogConflict, registerSet, isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { confirmMedium, type Drive, type Medium } from '../../tape/drives/drive.js';
import { english } from '../../messages/sentence.js';

/** Where an archive was found. */
export interface TapeContext {
  drive: Drive;
  catalog: Catalog;
  medium: Medium;
  tape: TapeRow;
  setId: string;
}

/** An archive on the tape, and what is known about it before asking the catalog. */
export interface Candidate {
  group: number;
  name: string;
  file: string;
  size: number;
  mtimeMs: number;
  /** Header of its manifest, if at least that could be read. */
  header: ManifestHeader | undefined;
}

/** `copy`: the archive was known, but not this copy of it. `known`: nothing was new. */
export type RegisterOutcome = 'added' | 'copy' | 'known';

/**
 * Adds an archive and its copy on this tape to the catalog, or compares it with the catalog, in one transaction. Throws
 * `CatalogConflict` when it contradicts the catalog, and `TapeNotReady` when the tape was removed after it was read.
 *
 * @param damage what is wrong with the copy, as a sentence without its subject.
 */
export async function registerArchive(
  context: TapeContext,
  found: Candidate,
  archive: FoundArchive,
  damage: string | null,
): Promise<RegisterOutcome> {
  const { catalog, drive, medium, setId, tape } = context;
  const { group, name } = found;
  const { facts } = archive;
  // What was read must come from the tape that it is recorded for.
  await confirmMedium(drive.settings, medium);
  return catalog.transaction().execute(async (tx) => {
    const set = await registerSet(tx, {
      ...{ id: setId, header: found.header, pool: tape.pool, drive: drive.settings.name },
      at: archive.createdAt,
    });
    const known = await archiveOf(tx, setId, group);
    const here = await copyOnTape(tx, setId, group, tape.uuid);
    const same = known?.size === facts.end.size && known.sha256 === facts.end.sha256;
    const better =
      known !== undefined && isRebuilt(set) && (await isBetter(tx, archive, known, damage, same));
    if (known !== undefined && !same && !better) {
      throw new CatalogConflict(
        english`The archive ${name} on the tape is another than the one that the catalog knows
          (sha256 ${facts.end.sha256.slice(0, 12)}… and ${known.sha256.slice(0, 12)}…).`,
      );
    }
    if (known === undefined) requireRebuilt(set, name);
    if (better) await forgetImported(tx, setId, group);
    if (known === undefined || better) await importArchive(tx, archive);
    const outcome = await enterCopy(tx, context, found, set, here, archive, { damage, better });
    return known === undefined || better ? 'added' : outcome;
  });
}

/**
 * True when the archive adds to the catalog: a manifest where it had none, or an intact archive where it was damaged.
 */
async function isBetter(
  tx: Catalog,
  { setId, group, manifest }: FoundArchive,
  known: ArchiveRow,
  damage: string | null,
  same: boolean,
): Promise<boolean> {
  if (damage !== null || manifest === null) return false;
  if (same) return known.manifest_sha256 === '';
  return !(await hasUndamagedCopy(tx, setId, group));
}

async function enterCopy(
  tx: Catalog,
  { setId, tape }: TapeContext,
  { group, name, mtimeMs }: Candidate,
  set: SetRow,
  here: { copy_no: number; state: string } | undefined,
  { beside }: FoundArchive,
  { damage, better }: { damage: string | null; better: boolean },
): Promise<'known' | 'copy'> {
  if (here === undefined) {
    if (!finalSetStates.includes(set.state))
      throw new CatalogConflict(
        english`The set ${setId} is unfinished, and ${name} is not committed on this tape.`,
      );
    await importCopy(tx, { setId, group, tape, at: mtimeMs, damage, beside });
    return 'copy';
  }
  if (here.state !== 'committed') {
    throw new CatalogConflict(
      english`The catalog knows the copy of ${name} on this tape as one that was not committed.`,
    );
  }
  const copy = { set_id: setId, group_no: group, copy_no: here.copy_no };
  if (damage !== null || better) await noteDamage(tx, copy, damage);
  return 'known';
}

function requireRebuilt(set: SetRow, name: string): void {
  if (isRebuilt(set)) return;
  throw new CatalogConflict(
    english`The catalog has the set ${set.id}, which is ${stateWord(set.state)}, without the archive ${name}.`,
  );
}
