import { access, constants, stat } from 'node:fs/promises';
import { formatCount } from '../../config/counts.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import { ownFolderAround } from '../../disk/own-folders.js';
import type { Settings } from '../../config/settings/settings.js';
import { withSide } from '../../config/sides.js';
import { formatBytes } from '../../config/sizes.js';
import { hasGrown, hasRoomFor, freeSpaceAt, type FreeSpace } from '../../disk/free-space.js';
import { english } from '../../messages/sentence.js';

/** Errors for which a restore waits: no space, or a read-only disk. */
const waitedFor = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
/** The target is missing or not a folder: it was removed, replaced by a link, or is on another machine. */
const gone = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** True when a restore's target is on another host than this one. */
export function isTargetElsewhere(
  { TAPEFLOW_HOST: here }: Pick<Settings, 'TAPEFLOW_HOST'>,
  { target_host: host }: Pick<RetrievalRow, 'target_host'>,
): boolean {
  return host !== null && host !== here;
}

/** Throws when the target folder does not exist on this machine, or is one of tapeflow's own folders. */
export async function requireTarget(settings: Settings, target: string): Promise<void> {
  try {
    const isFolder = (await stat(target)).isDirectory();
    const own = isFolder ? ownFolderAround(settings, target) : undefined;
    if (own !== undefined)
      throw unusable(target, settings, english`it lies in ${own.path}, which is ${own.what} of tapeflow`);
    if (isFolder) return;
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw await targetFailure(settings, target, withSide('target', error));
  }
  throw unusable(target, settings, english`it is not a folder`);
}

/** Why a target accepts no more, and the free space of its file system at that time. */
export interface TargetShortage {
  code: string;
  room: FreeSpace;
}

async function shortageAt(target: string, code: string): Promise<TargetShortage | undefined> {
  try {
    return { code, room: await freeSpaceAt(target) };
  } catch {
    // It disappeared meanwhile: the next try reports that.
    return undefined;
  }
}

/**
 * Whether a retry is worthwhile: the target is writable and has space and inodes for everything to come, or more than
 * before, since part of it may be restored already. Quotas cannot be queried, nor a missing target.
 */
export async function targetHasRoom(
  target: string,
  lack: TargetShortage,
  need: { bytes: number; inodes: number },
): Promise<boolean> {
  try {
    await access(target, constants.W_OK);
    if (lack.code !== 'ENOSPC') return true;
    const room = await freeSpaceAt(target);
    return hasRoomFor(room, need) || hasGrown(room, lack.room);
  } catch (error) {
    return systemErrorCode(error) !== 'EROFS';
  }
}

/**
 * The failure for an error of the target, never blamed on a tape: on `TargetNotReady` the restore waits, on
 * `TargetUnusable` it ends, and `TargetFailed` is retried a few times first.
 */
export async function targetFailure(
  settings: Pick<Settings, 'TAPEFLOW_HOST'>,
  target: string,
  error: unknown,
): Promise<TapeflowFailure> {
  const code = systemErrorCode(error) ?? '';
  if (waitedFor.has(code)) {
    const lack = await shortageAt(target, code);
    const { TAPEFLOW_HOST: host } = settings;
    const why = describeError(error);
    return new TapeflowFailure(
      'TargetNotReady',
      code === 'ENOSPC' && lack !== undefined
        ? english`The target ${target} on host ${host} takes no more: ${why}; ${roomText(lack.room)}.`
        : english`The target ${target} on host ${host} takes no more: ${why}.`,
      {
        kind: 'person',
        advice:
          code === 'EROFS'
            ? english`Mount it for writing: the restore goes on by itself;
                \`tapeflow cancel\` ends it, and what is restored stays.`
            : english`Make room there: the restore goes on by itself;
                \`tapeflow cancel\` ends it, and what is restored stays.`,
        details: { lack },
      },
    );
  }
  if (gone.has(code)) return unusable(target, settings, describeError(error));
  return new TapeflowFailure('TargetFailed', english`The target ${target} fails: ${describeError(error)}.`, {
    kind: 'transient',
    advice: goesOn,
    cause: error,
  });
}

function roomText({ bytes, inodes }: FreeSpace): string {
  const free = formatBytes(bytes);
  return inodes === null
    ? english`${free} are free there`
    : english`${free} are free there, for ${formatCount(inodes, 'entry', 'entries')} at most`;
}

const goesOn = english`When that is fixed, the same command goes on: what is already there stays.`;

function unusable(
  target: string,
  { TAPEFLOW_HOST: host }: Pick<Settings, 'TAPEFLOW_HOST'>,
  why: string,
): TapeflowFailure {
  return new TapeflowFailure(
    'TargetUnusable',
    english`The target ${target} cannot be used on host ${host}: ${why}.`,
    { advice: goesOn },
  );
}
