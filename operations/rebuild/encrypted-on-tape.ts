import path from 'node:path';
import { NotOpened, openSealedFile, type Opened } from '../../archive/age/open-seal.js';
import { copyOnTape } from '../../catalog/copies/tape-copies.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import type { FoundArchive } from '../../catalog/rebuilt/found-archive.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import { isEncrypted } from '../../entry/archive-format.js';
import { archiveNames } from '../../entry/archive-name.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { english } from '../../messages/sentence.js';
import { identityAdvice } from '../encryption/identities.js';
import { lstatOf, presentOf, unknownHeader } from './found-files.js';
import type { ArchiveReport, ImportContext } from './import-context.js';
import { registerArchive, type RegisterOutcome } from './register-archive.js';

/**
 * Opens an archive or a manifest on the tape; undefined for one that is not encrypted. `closed`: no identity here opens
 * it, and why; `wrong`: it is damaged. Both are parts of sentences.
 */
export async function openIfEncrypted(
  context: ImportContext,
  file: string,
): Promise<Opened | { closed: string } | { wrong: string; header: undefined } | undefined> {
  if (!isEncrypted(file)) return undefined;
  try {
    const identities = await context.identities?.();
    if (identities === undefined) return { closed: english`it is encrypted, and no identity is given` };
    return await openSealedFile(
      file,
      identities.map(({ key }) => key),
    );
  } catch (error) {
    if (error instanceof TapeflowFailure)
      return { closed: english`it is encrypted: ${error.sentence.replace(/\.$/, '')}` };
    if (!(error instanceof NotOpened)) throw error;
    return error.isDamaged ? { wrong: error.message, header: undefined } : { closed: error.message };
  }
}

/**
 * An archive whose manifest no identity here opens: of one that the catalog knows, the copy is compared, or added. It
 * is the same archive when its manifest is the same file, since no two are encrypted alike.
 */
export async function takeClosed(
  context: ImportContext,
  group: number,
  manifestFile: string,
  why: string,
): Promise<Pick<ArchiveReport, 'archive' | 'outcome' | 'trouble'>> {
  const { catalog, setId, tape } = context;
  const folder = path.dirname(manifestFile);
  const name = await presentOf(folder, archiveNames(setId, group));
  const file = path.join(folder, name);
  const stats = await lstatOf(file);
  const known = await archiveOf(catalog, setId, group);
  if (known === undefined || stats === undefined || known.size !== stats.size || known.name !== name) {
    const trouble =
      stats === undefined
        ? english`The archive ${name} is not on the tape, though its manifest is: ${why}. ${identityAdvice}`
        : leftOut(name, why);
    return { archive: name, outcome: 'refused', trouble };
  }
  const here = await copyOnTape(catalog, setId, group, tape.uuid);
  if (here !== undefined) return { archive: name, outcome: 'known', trouble: null };
  const beside = await hashOf(manifestFile);
  if (beside.sha256 !== known.manifest_sha256) {
    return { archive: name, outcome: 'refused', trouble: leftOut(name, why) };
  }
  const outcome = await addCopy(context, known, { file, mtimeMs: stats.mtimeMs, beside });
  return { archive: name, outcome, trouble: null };
}

const leftOut = (name: string, why: string) =>
  english`The archive ${name} was left out: ${why}. ${identityAdvice}`;

function addCopy(
  context: ImportContext,
  { group_no: group, name, size, sha256 }: ArchiveRow,
  { file, mtimeMs, beside }: { file: string; mtimeMs: number; beside: FoundArchive['beside'] },
): Promise<RegisterOutcome> {
  const { setId } = context;
  const end = { members: 0, skipped: 0, kept: 0, bytesIn: 0, size, sha256, tarBytes: 0 };
  const archive: FoundArchive = {
    ...{ setId, group, beside, manifest: null, createdAt: mtimeMs },
    entries: nothing,
    facts: {
      header: unknownHeader(setId, group, name, mtimeMs),
      end: { ...end, blockBytes: 1, blocks: [] },
      ...{ entries: 0, first: '', last: '' },
    },
  };
  return registerArchive(context, { group, name, file, size, mtimeMs, header: undefined }, archive, null);
}

async function* nothing(): AsyncGenerator<never> {
  // The entries are known.
}
