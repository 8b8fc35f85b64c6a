import path from 'node:path';
import { archiveOf, forgetArchive, groupOf } from '../catalog/groups.js';
import { commitCopies, tapeByUuid, writtenCopies } from '../catalog/tapes.js';
import { describeError } from '../config/failures.js';
import { sizeOf } from '../staging/durable-file.js';
import { tapeNotReady } from '../tape/drive.js';
import { identifyTape } from '../tape/loaded-tape.js';
import { isMediumError } from '../tape/ltfs.js';
import { tapeFolder } from '../tape/write-archive.js';
import { asAttempt, pause, type Attempt } from './attempt.js';
import { logStage, type DriveDeps } from './deps.js';
import { distrust } from './write-to-tape.js';

export interface SyncResult {
  /** Groups whose copy is committed now (or was before). */
  committed: number[];
  /** Groups whose copy is not to be trusted: they have to be written again. */
  lost: number[];
}

/**
 * Syncs the tape (on LTFS its index), looks that each written archive is there with its size, and commits them in the
 * catalog: `synced`, `committed`.
 *
 * @param groups the set's groups that were written to the tape since its last sync.
 */
export function syncTape(
  deps: DriveDeps,
  setId: string,
  tape: string,
  groups: number[],
): Promise<SyncResult> {
  return asAttempt(async (attempt) => {
    const { catalog, lock } = deps;
    const row = await tapeByUuid(catalog, tape);
    const pending = await writtenCopies(catalog, tape, setId);
    if (pending.length > 0 && row?.state === 'suspect')
      await distrust(deps, { row }, row.reason ?? 'suspect');
    else if (pending.length > 0) await syncPending(deps, setId, tape, pending, attempt);
    const result: SyncResult = { committed: [], lost: [] };
    for (const group of groups) {
      const { state } = await groupOf(catalog, setId, group);
      (state === 'committed' || state === 'released' ? result.committed : result.lost).push(group);
    }
    lock.check();
    return result;
  });
}

type Pending = Awaited<ReturnType<typeof writtenCopies>>;

async function syncPending(
  deps: DriveDeps,
  setId: string,
  tape: string,
  pending: Pending,
  attempt: Attempt,
): Promise<void> {
  const { catalog, drive, lock, settings } = deps;
  lock.hold(await drive.medium());
  const loaded = await identifyTape(drive, catalog);
  if (loaded.row.uuid !== tape) {
    const wanted = await tapeByUuid(catalog, tape);
    throw tapeNotReady(
      'wrong_tape',
      `The tape ${loaded.row.name} is in drive ${drive.settings.name}, but ${wanted?.name ?? tape} is wanted: ${pending.length} archives on it are not synced yet.`,
      `Load ${wanted?.name ?? 'that tape'}; if it is lost, \`tapeflow tape distrust ${wanted?.name ?? 'NAME'}\` writes them again elsewhere.`,
    );
  }
  attempt.report({ step: 'syncing', groups: pending.length });
  if (process.platform === 'win32' && drive.settings.kind === 'ltfs') {
    await indexPeriod(settings.TAPE_SYNC_INTERVAL, attempt);
  }
  const began = performance.now();
  const folder = tapeFolder(drive.settings.path, setId);
  let detail: string;
  try {
    lock.check();
    detail = await drive.sync([folder, drive.settings.path]);
  } catch (error) {
    if (!isMediumError(error) && !isSyncFailure(error)) throw error;
    await distrust(deps, loaded, `its index sync failed: ${describeError(error)}`);
    return;
  }
  const ms = performance.now() - began;
  const there: { group: number; token: string; bytes: number }[] = [];
  for (const copy of pending) {
    const archive = await sizeOf(path.join(folder, copy.name));
    const manifest = await sizeOf(path.join(folder, copy.manifest_name));
    if (archive === copy.size && manifest === copy.manifest_size) {
      there.push({ group: copy.group_no, token: copy.token, bytes: copy.size });
    } else {
      await loseCopy(
        deps,
        setId,
        copy.group_no,
        `${copy.name} is not on tape ${loaded.row.name} with its size any more`,
      );
    }
  }
  attempt.throwIfCancelled();
  for (const group of await commitCopies(catalog, setId, there, { ms, detail })) {
    const bytes = there.find((copy) => copy.group === group)?.bytes ?? 0;
    logStage(deps, 'synced', { setId, group }, { bytes, ms, detail });
    logStage(deps, 'committed', { setId, group }, { bytes });
  }
}

function isSyncFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'IndexSyncFailed';
}

/** One copy that went missing, for example with an ltfs process that died and forgot it. */
async function loseCopy(deps: DriveDeps, setId: string, group: number, reason: string): Promise<void> {
  const { catalog } = deps;
  await catalog.transaction().execute(async (tx) => {
    await tx
      .updateTable('copies')
      .set({ state: 'lost' })
      .where('set_id', '=', setId)
      .where('group_no', '=', group)
      .where('state', '=', 'written')
      .execute();
    await tx
      .updateTable('groups')
      .set({ state: 'queued' })
      .where('set_id', '=', setId)
      .where('no', '=', group)
      .where('state', '=', 'written')
      .execute();
  });
  const direct = (await groupOf(catalog, setId, group)).direct === 1;
  const archive = direct ? await archiveOf(catalog, setId, group) : undefined;
  if (archive !== undefined) await forgetArchive(catalog, archive, reason);
  logStage(deps, 'lost', { setId, group }, { reason });
}

/**
 * Windows: waits until LTFS must have written its index by its own clock. Seconds, counted from here, since the last byte
 * came before: the wall clock, which may be set forward meanwhile, would say so too early.
 */
async function indexPeriod(interval: number, attempt: Attempt): Promise<void> {
  const began = performance.now();
  while (performance.now() < began + interval * 1000) await pause(attempt, 1000);
}
