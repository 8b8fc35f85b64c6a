import path from 'node:path';
import { copyOf } from '../../catalog/copies/copies.js';
import type { MemberCounts } from '../../catalog/retrievals/archive-results.js';
import type { RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import type { ArchiveRow, RetrievalArchiveRow } from '../../catalog/rows.js';
import { describeError, systemErrorCode } from '../../config/failures.js';
import { onSide, sideOf } from '../../config/sides.js';
import { hashOf } from '../../tape/files/hash-file.js';
import { isMountDeath } from '../../tape/ltfs/ltfs.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';

/** An archive of a retrieval, and its file on the tape. */
interface ReadFile {
  row: RetrievalArchiveRow;
  archive: ArchiveRow;
  file: string;
}

/** What is found while reading a copy. */
export interface Found {
  counts: MemberCounts;
  problems: RetrievalProblem[];
  /** Problems of the copy itself. */
  damages: string[];
  lacksManifest: boolean;
}

/** Compares the hash of an encrypted archive, which needs no identity; which files damage hits is not known then. */
export async function compareWhole(
  attempt: Attempt,
  { row, archive, file, missed }: ReadFile & { missed: ReadonlySet<string> | undefined },
  { counts, problems, damages }: Found,
  report: (bytes: number) => void,
): Promise<void> {
  const { sha256 } = await hashOf(file, (bytes) => {
    attempt.throwIfCancelled();
    report(Math.min(bytes, row.bytes));
  });
  const expected = missed?.size ?? row.members;
  if (sha256 === archive.sha256) {
    counts.restored += expected;
    return;
  }
  counts.failed += expected;
  const reason = english`The SHA-256 of ${file} is not that of the archive which was written;
    which of its files that hits is told with its identity only.`;
  problems.push({ path: null, reason });
  damages.push(reason);
}

/** A verify looks at the manifest beside a copy, too. */
export async function checkManifest(
  deps: Deps,
  { row, archive, file }: ReadFile,
  found: Found,
): Promise<void> {
  const { problems, damages } = found;
  const manifest = path.join(path.dirname(file), archive.manifest_name);
  const wrong = await manifestTrouble(deps, row, archive, manifest);
  if (wrong === undefined) return;
  const state =
    damages.length === 0 ? english`the archive itself is intact` : english`see what is said of the archive`;
  const reason = english`The manifest ${archive.manifest_name} ${wrong}; ${state}.
    \`tapeflow verify ${row.set_id} --repair\` writes both again.`;
  problems.push({ path: null, reason });
  found.lacksManifest = true;
}

/** What is wrong with the manifest beside a copy, which does not affect the archive; undefined when it is right. */
async function manifestTrouble(
  { catalog }: Deps,
  row: RetrievalArchiveRow,
  archive: ArchiveRow,
  file: string,
): Promise<string | undefined> {
  const copy = await copyOf(catalog, row.set_id, row.group_no, row.copy_no);
  const sha256 = copy?.manifest_sha256 ?? archive.manifest_sha256;
  try {
    const found = await onSide('tape', () => hashOf(file));
    return found.sha256 === sha256 ? undefined : english`is not the one that was written`;
  } catch (error) {
    if (sideOf(error) !== 'tape' || isMountDeath(error)) throw error;
    return systemErrorCode(error) === 'ENOENT'
      ? english`is not on the tape`
      : english`cannot be read (${describeError(error)})`;
  }
}
