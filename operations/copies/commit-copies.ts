import path from 'node:path';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import type { writtenCopies } from '../../catalog/copies/copies.js';
import { commitCopies } from '../../catalog/copies/copy-states.js';
import { formatCount } from '../../config/counts.js';
import { TapeflowFailure } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { sizeOf } from '../../disk/durable-file.js';
import { tapeNotReady } from '../../tape/drives/tape-not-ready.js';
import { identifyTape, requireOwn, type LoadedTape } from '../../tape/drives/loaded-tape.js';
import { tapeFolder } from '../../tape/files/write-archive.js';
import { english } from '../../messages/sentence.js';
import { pauseFor, type Attempt } from '../attempt.js';
import type { DriveDeps } from '../deps.js';
import { logStage } from '../groups/log-stage.js';
import { noteMarks, writeEndMarks, type WrittenMark } from './end-marks.js';
import { onMedium } from './on-medium.js';
import { rewriteUnsynced } from '../tapes/distrust-tape.js';

type Pending = Awaited<ReturnType<typeof writtenCopies>>;

/** Syncs a tape and commits what was written to it; copies on a tape that is no longer trusted are lost. */
export async function commitWritten(
  deps: DriveDeps,
  tape: string,
  pending: Pending,
  attempt: Attempt,
): Promise<void> {
  if (pending.length === 0) return;
  const row = await tapeByUuid(deps.catalog, tape);
  const given = row !== undefined && ['suspect', 'lost', 'erasing'].includes(row.state);
  if (given) await rewriteUnsynced(deps, tape, row.reason ?? row.state);
  else await syncPending(deps, tape, pending, attempt);
}

/** Syncs the tape, which must be in the drive, and commits what was written to it. */
async function syncPending(deps: DriveDeps, tape: string, pending: Pending, attempt: Attempt): Promise<void> {
  const { catalog, drive, lock } = deps;
  const loaded = await identifyTape(drive, catalog);
  if (loaded.row.uuid !== tape) {
    const wanted = await tapeByUuid(catalog, tape);
    throw tapeNotReady(
      'wrong_tape',
      english`The tape ${loaded.row.name} is in drive ${drive.settings.name}, but ${wanted?.name ?? tape} is
        wanted: ${formatCount(pending.length, 'archive on it is', 'archives on it are')} not synced yet.`,
      wanted === undefined
        ? english`Load that tape; if it is lost, \`tapeflow tape distrust NAME\` writes them again elsewhere.`
        : english`Load ${wanted.name}; if it is lost, \`tapeflow tape distrust ${wanted.name}\`
            writes them again elsewhere.`,
    );
  }
  await requireOwn(drive, catalog, loaded);
  await lock.hold(loaded.medium, () => syncHeld(deps, loaded, pending, attempt));
}

async function syncHeld(
  deps: DriveDeps,
  loaded: LoadedTape,
  pending: Pending,
  attempt: Attempt,
): Promise<void> {
  const { catalog, drive, settings } = deps;
  attempt.report({ step: 'syncing', groups: pending.length });
  const began = performance.now();
  let look: Look;
  let marks: WrittenMark[] = [];
  try {
    look = await onMedium(deps, attempt, loaded, undefined, async () => {
      marks = await writeEndMarks(deps, loaded, new Set(pending.map((copy) => copy.set_id)), attempt);
      if (process.platform === 'win32' && drive.settings.kind === 'ltfs')
        await indexPeriod(settings.TAPE_SYNC_INTERVAL, attempt);
      return syncAndLook(deps, pending);
    });
  } catch (error) {
    // The tape is suspect now, and its unsynced copies are queued again: that is a valid result of this step.
    if (error instanceof TapeflowFailure && error.details['reason'] === 'suspect') return;
    throw error;
  }
  const ms = performance.now() - began;
  const { there, missing, detail } = look;
  attempt.throwIfCancelled();
  await noteMarks(deps, loaded, marks);
  for (const copy of missing) {
    const reason = english`${copy.name} is not on tape ${loaded.row.name} with its size any more`;
    await rewriteUnsynced(deps, loaded.row.uuid, reason, copy);
  }
  const copies = there.map((copy) => ({
    ...{ setId: copy.set_id, group: copy.group_no, copyNo: copy.copy_no, token: copy.token },
    bytes: copy.size,
  }));
  for (const { setId, group, copyNo, whole } of await commitCopies(catalog, copies, { ms, detail })) {
    const ref = { setId, group };
    const bytes = copies.find((copy) => copy.setId === setId && copy.group === group)?.bytes ?? 0;
    logStage(deps, 'synced', ref, { bytes, ms, detail, copy: copyNo, tape: loaded.row.name });
    if (whole) logStage(deps, 'committed', ref, { bytes });
  }
}

interface Look {
  there: Pending;
  /** Copies that the tape does not hold with their size: unsynced files disappear when the mount's process dies. */
  missing: Pending;
  detail: string;
}

/** All calls are on the side `tape`. */
function syncAndLook(deps: DriveDeps, pending: Pending): Promise<Look> {
  return onSide('tape', () => syncAndSee(deps, pending));
}

async function syncAndSee({ drive, lock }: DriveDeps, pending: Pending): Promise<Look> {
  const mount = drive.settings.path;
  lock.check();
  const folders: string[] = [];
  for (const folder of new Set(pending.map((copy) => tapeFolder(mount, copy.set_id))))
    if ((await sizeOf(folder)) !== undefined) folders.push(folder);
  const detail = await drive.sync([...folders, mount]);
  const there: Pending = [];
  const missing: Pending = [];
  for (const copy of pending) {
    const folder = tapeFolder(mount, copy.set_id);
    const size = await sizeOf(path.join(folder, copy.name));
    const manifestSize = await sizeOf(path.join(folder, copy.manifest_name));
    (size === copy.size && manifestSize === copy.manifest_size ? there : missing).push(copy);
  }
  return { there, missing, detail };
}

/**
 * Windows: waits until LTFS must have written its index. Counts seconds from now, after the last byte, since a wall
 * clock set forward would end the wait too early.
 */
async function indexPeriod(interval: number, attempt: Attempt): Promise<void> {
  const began = performance.now();
  while (performance.now() < began + interval * 1000) {
    attempt.report({ step: 'waiting for the index' });
    await pauseFor(attempt, 1000);
  }
}
