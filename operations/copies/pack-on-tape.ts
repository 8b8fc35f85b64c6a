import path from 'node:path';
import { beginCopy, recordWritten } from '../../catalog/copies/copy-states.js';
import { commitCompressed } from '../../catalog/files/packed-files.js';
import { bytesWithManifest } from '../../catalog/groups/groups.js';
import type { GroupRow } from '../../catalog/rows.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { PackAsks } from '../../archive/pack/pack-in-thread.js';
import { TapeflowFailure } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { publish, removeFile, sizeOf } from '../../disk/durable-file.js';
import { partName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { openTapeFolder } from '../../tape/files/write-archive.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { DriveDeps, GroupRef } from '../deps.js';
import { filesOf } from '../groups/group-files.js';
import { logStage } from '../groups/log-stage.js';
import { minGrowth, packGroup, type PackedGroup } from '../groups/pack-group.js';
import { takenOver, type WrittenArchive } from './write-copy.js';

/** Milliseconds between checks of the lock while the packer writes; the packer itself stops within one block. */
const guardEveryMs = 200;

/**
 * Packs a group directly to the tape that is held, commits the archive, and records its copy as written. When that
 * fails its parts are deleted.
 */
export async function packOnTape(
  deps: DriveDeps,
  ref: GroupRef,
  group: GroupRow,
  attempt: Attempt,
  tape: LoadedTape,
  onStart: (pack: PackAsks) => void,
): Promise<WrittenArchive> {
  const { catalog, drive } = deps;
  const confirm = () => confirmMedium(drive.settings, tape.medium);
  const { archive, manifest } = filesOf(await setNamed(catalog, ref.setId), ref.group);
  const names = [archive, manifest] as const;
  const mountPoint = drive.settings.path;
  const folder = await openTapeFolder({ mountPoint, setId: ref.setId, confirm }, names);
  const partOf = (name: string) => path.join(folder, partName(name, attempt.token));
  const parts = { archive: partOf(names[0]), manifest: partOf(names[1]) };
  logStage(deps, 'compressing', ref, { archive: names[0], bytes: group.bytes, tape: tape.row.name });
  const guard = guardPacking(deps, attempt, confirm);
  const began = performance.now();
  try {
    const packed = await packGroup(
      deps,
      ref,
      attempt,
      {
        archivePath: parts.archive,
        manifestPath: parts.manifest,
        side: 'tape',
        maxBytes: group.bytes + minGrowth,
        signal: guard.signal,
      },
      (now) => attempt.report({ step: 'writing', group: ref.group, bytesTotal: group.bytes, ...now }),
      onStart,
    );
    const ms = performance.now() - began;
    return await publishPacked(deps, ref, attempt, tape, { packed, parts, folder, ms });
  } catch (error) {
    await removeFile(parts.archive).catch(() => false);
    await removeFile(parts.manifest).catch(() => false);
    throw guard.lost() ?? error;
  } finally {
    guard.end();
  }
}

/**
 * Looks at the attempt, the lock and the tape while the packer writes: when one of them is lost its signal ends the
 * packing, and `lost` says why.
 */
function guardPacking({ lock }: DriveDeps, attempt: Attempt, confirm: () => Promise<void>) {
  const stop = new AbortController();
  let lost: unknown;
  let confirming = false;
  const give = (error: unknown) => {
    lost = error;
    stop.abort(error);
  };
  const look = () => {
    try {
      attempt.throwIfCancelled();
      lock.check();
    } catch (error) {
      give(error);
      return;
    }
    // A drive that hangs would else take every thread of this process, one look after the other.
    if (confirming) return;
    confirming = true;
    void confirm()
      .catch(give)
      .finally(() => (confirming = false));
  };
  const timer = setInterval(look, guardEveryMs);
  return { signal: stop.signal, lost: () => lost, end: () => clearInterval(timer) };
}

interface OnTape {
  packed: PackedGroup;
  parts: { archive: string; manifest: string };
  folder: string;
  /** Milliseconds that packing took. */
  ms: number;
}

/** Commits what was packed, gives it its names, and records it as written. */
async function publishPacked(
  deps: DriveDeps,
  ref: GroupRef,
  attempt: Attempt,
  tape: LoadedTape,
  { packed, parts, folder, ms }: OnTape,
): Promise<WrittenArchive> {
  const { catalog, lock } = deps;
  const { archive, files, detail } = packed;
  const { token } = attempt;
  const copy = { ...ref, copyNo: 1 };
  attempt.throwIfCancelled();
  lock.check();
  await attempt.commit(() => commitCompressed(catalog, archive, files, { reserved: 0, ms, detail }));
  await attempt.commit(() => beginCopy(catalog, { ...copy, tape: tape.row, token, direct: true }));
  if ((await onSide('tape', () => sizeOf(parts.archive))) !== archive.size) {
    throw new TapeflowFailure(
      'ShortOnTape',
      english`The tape holds another size of ${archive.name} than was written.`,
      { kind: 'transient' },
    );
  }
  attempt.throwIfCancelled();
  lock.check();
  await onSide('tape', async () => {
    await publish(parts.archive, path.join(folder, archive.name));
    await publish(parts.manifest, path.join(folder, archive.manifest_name));
  });
  const bytes = bytesWithManifest(archive);
  const written = { ms, bytes, detail: english`tape ${tape.row.name}, direct` };
  if (!(await attempt.commit(() => recordWritten(catalog, { ...copy, token }, written))))
    throw await takenOver(deps, copy, tape, token);
  logStage(deps, 'written', ref, { archive: archive.name, bytes, ms, tape: tape.row.name });
  return { tape: tape.row.uuid, tapeName: tape.row.name, bytes };
}
