import path from 'node:path';
import { copyOf } from '../../catalog/copies/copies.js';
import { beginCopy, recordWritten } from '../../catalog/copies/copy-states.js';
import { commitCompressed } from '../../catalog/files/packed-files.js';
import { forgetArchive } from '../../catalog/groups/forget-archive.js';
import { beginCompressing } from '../../catalog/groups/group-owner.js';
import { requireTape } from '../../tape/requirements/require-tape.js';
import { staleAttempt } from '../../catalog/groups/attempt-tokens.js';
import { archiveOf, bytesWithManifest, groupOf } from '../../catalog/groups/groups.js';
import type { GroupRow } from '../../catalog/rows.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { TapeflowFailure } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { publish, removeFile, sizeOf } from '../../disk/durable-file.js';
import { archiveName, manifestName, partName } from '../../entry/archive-name.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { tapeRequirements } from '../../tape/requirements/tape-requirements.js';
import { isTooLarge } from '../../tape/requirements/tape-limit.js';
import { openTapeFolder } from '../../tape/files/write-archive.js';
import { asked } from '../asked.js';
import { driveCondition, asDriveAttempt, type Attempt } from '../attempt.js';
import type { DriveDeps, GroupRef } from '../deps.js';
import { logStage } from '../../operations/sets/log-stage.js';
import { AskedByThread, askedByPack } from '../set/asked-sources.js';
import { makeSmaller } from '../set/make-smaller.js';
import { minGrowth, packGroup } from '../set/pack-group.js';
import { onMedium } from './on-medium.js';
import { setOptions } from '../../operations/sets/set-options.js';
import { takenOver, type WrittenArchive } from './write-to-tape.js';

/** Milliseconds between checks of the lock while the packer writes; the packer itself stops within one block. */
const guardEveryMs = 200;

/**
 * Direct mode: compresses a group directly to tape, in the drive's slot, as `.part`; then the same steps as with
 * staging. The source's size must be free beforehand, since deleting frees nothing on a tape.
 */
export function compressToTape(
  deps: DriveDeps,
  ref: GroupRef,
  wanted?: string,
): Promise<WrittenArchive | null> {
  const asks = new AskedByThread(asked(deps));
  return asDriveAttempt(asks, driveCondition, async (attempt) => {
    const { catalog, lock } = deps;
    if ((await groupOf(catalog, ref.setId, ref.group)).state === 'skipped') return null;
    const copy = await copyOf(catalog, ref.setId, ref.group);
    const before = await archiveOf(catalog, ref.setId, ref.group);
    if (before !== undefined && copy !== undefined && ['written', 'committed'].includes(copy.state)) {
      return { tape: copy.tape_uuid, tapeName: '', bytes: before.size + before.manifest_size };
    }
    if (before !== undefined) await forgetArchive(catalog, before, 'its attempt ended before it was written');
    const tape = await roomyTape(deps, ref, wanted);
    if (tape === undefined) return null;
    const group = await groupOf(catalog, ref.setId, ref.group);
    return lock.hold(tape.medium, async () => {
      if (!(await beginCompressing(catalog, ref.setId, ref.group, attempt.token))) {
        throw staleAttempt(ref.setId, ref.group);
      }
      return onMedium(deps, attempt, tape, group.bytes, () =>
        packOnTape(deps, ref, group, attempt, tape, asks),
      );
    });
  });
}

/**
 * The tape in the drive, if the group fits after leaving out what is larger than any tape; undefined when nothing is
 * left of it.
 */
async function roomyTape(
  deps: DriveDeps,
  ref: GroupRef,
  wanted: string | undefined,
): Promise<LoadedTape | undefined> {
  for (;;) {
    const demand = await tapeRequirements(deps.catalog, { ...ref, copyNo: 1 }, wanted);
    try {
      return await requireTape(deps.drive, deps.catalog, demand);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
    }
    if ((await makeSmaller(deps, ref, demand.next?.bytes ?? 0)) === 'skipped') return undefined;
  }
}

async function packOnTape(
  deps: DriveDeps,
  ref: GroupRef,
  group: GroupRow,
  attempt: Attempt,
  tape: LoadedTape,
  asks: AskedByThread,
): Promise<WrittenArchive> {
  const { catalog, drive, lock } = deps;
  const { token } = attempt;
  const began = performance.now();
  const confirm = () => confirmMedium(drive.settings, tape.medium);
  const set = await setNamed(catalog, ref.setId);
  const { compression } = setOptions(set);
  const sources = JSON.parse(set.sources) as string[];
  const names = {
    archive: archiveName(ref.setId, ref.group, compression),
    manifest: manifestName(ref.setId, ref.group),
  };
  const folder = await openTapeFolder(
    { mountPoint: drive.settings.path, setId: ref.setId, confirm },
    Object.values(names),
  );
  const parts = {
    archive: path.join(folder, partName(names.archive, token)),
    manifest: path.join(folder, partName(names.manifest, token)),
  };
  logStage(deps, 'compressing', ref, { archive: names.archive, bytes: group.bytes, tape: tape.row.name });
  const stop = new AbortController();
  let lost: unknown;
  let confirming = false;
  const guard = setInterval(() => {
    const give = (error: unknown) => {
      lost = error;
      stop.abort(error);
    };
    try {
      attempt.throwIfCancelled();
      lock.check();
      // Otherwise a hanging drive would block all threads of this process, check by check.
      if (!confirming) {
        confirming = true;
        void confirm()
          .catch(give)
          .finally(() => (confirming = false));
      }
    } catch (error) {
      give(error);
    }
  }, guardEveryMs);
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
        signal: stop.signal,
      },
      (now) => attempt.report({ step: 'writing', group: ref.group, bytesTotal: group.bytes, ...now }),
      (pack) => asks.follow(askedByPack(pack, sources, `the drive ${drive.settings.name}`)),
    );
    const { archive } = packed;
    attempt.throwIfCancelled();
    lock.check();
    const ms = performance.now() - began;
    const detail = `${formatCount(archive.members, 'entry', 'entries')}, ${formatNumber(packed.skipped)} skipped`;
    await attempt.commit(() => commitCompressed(catalog, archive, packed.files, { reserved: 0, ms, detail }));
    await attempt.commit(() =>
      beginCopy(catalog, { ...ref, copyNo: 1, tape: tape.row, token, direct: true }),
    );
    if ((await onSide('tape', () => sizeOf(parts.archive))) !== archive.size) {
      throw new TapeflowFailure(
        'ShortOnTape',
        `The tape holds another size of ${names.archive} than was written.`,
        {
          kind: 'transient',
        },
      );
    }
    attempt.throwIfCancelled();
    lock.check();
    await onSide('tape', async () => {
      await publish(parts.archive, path.join(folder, names.archive));
      await publish(parts.manifest, path.join(folder, names.manifest));
    });
    const bytes = bytesWithManifest(archive);
    const written = { ms, bytes, detail: `tape ${tape.row.name}, direct` };
    if (!(await attempt.commit(() => recordWritten(catalog, { ...ref, copyNo: 1, token }, written))))
      throw await takenOver(deps, { ...ref, copyNo: 1 }, tape, token);
    logStage(deps, 'written', ref, { archive: names.archive, bytes, ms, tape: tape.row.name });
    return { tape: tape.row.uuid, tapeName: tape.row.name, bytes };
  } catch (error) {
    await removeFile(parts.archive).catch(() => false);
    await removeFile(parts.manifest).catch(() => false);
    throw lost ?? error;
  } finally {
    asks.follow(undefined);
    clearInterval(guard);
  }
}
