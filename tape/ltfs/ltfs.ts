import { english } from '../../messages/sentence.js';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { sideOf } from '../../config/sides.js';
import { fsyncFolder } from '../../disk/durable-file.js';
import { filesOf, defaultReserve, rootKey, spaceOf, type Drive } from '../drives/drive.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';
import { attributeError, requireAttributeTool } from './extended-attributes.js';
import { mountProblem } from '../drives/mount.js';
import type { WriteProtection } from './write-protection.js';

/** What the reference LTFS reserves for its own writes: 50 MB (it reports ENOSPC up to that much too late). */
const writePoolBytes = 50_000_000;

/** Bytes of an LTFS tape that must stay free besides what is written. */
export function ltfsReserve(capacity: number): number {
  return Math.max(defaultReserve(capacity), writePoolBytes);
}

/** Extended attributes of the mount's root, from the LTFS format specification (2.4, annex C). */
const attributes = {
  volume: 'user.ltfs.volumeUUID',
  generation: 'user.ltfs.indexGeneration',
  lockState: 'user.ltfs.volumeLockState',
  sync: 'user.ltfs.sync',
} as const;

/** A tape mounted by LTFS: only an index write makes its files durable. */
export function ltfsDrive(settings: DriveSettings): Drive {
  const where = settings.path;
  const ltfsDied = () =>
    tapeNotReady(
      'not_mounted',
      english`No tape is mounted in drive ${settings.name}: the LTFS process behind ${where} has died.`,
      english`Unmount it and mount the tape with LTFS again; \`ltfsck\` repairs a tape that
        does not mount, and where that fails, \`ltfsck --deep-recovery\`.`,
    );
  const read = async (attribute: string): Promise<string> => {
    try {
      return await (await requireAttributeTool()).get(where, attribute);
    } catch (error) {
      if (error instanceof TapeflowFailure) throw error;
      if (isDeadMount(error)) throw ltfsDied();
      throw tapeNotReady(
        'not_ltfs',
        english`The mount ${where} of drive ${settings.name} does not answer
          as LTFS (${attribute}: ${attributeError(error)}).`,
        english`Mount the tape with LTFS again, or set TAPE_KIND=directory if it is a plain folder.`,
      );
    }
  };
  return {
    settings,
    ...filesOf(settings),
    async medium() {
      const missing = await mountProblem(where);
      if (missing === 'dead') throw ltfsDied();
      if (missing !== undefined) {
        throw tapeNotReady(
          'not_mounted',
          english`No tape is mounted in drive ${settings.name}: ${where} ${missing}.`,
          english`Load a tape and mount it with LTFS at ${where}.`,
        );
      }
      const volume = process.platform === 'win32' ? null : await read(attributes.volume);
      return { key: await rootKey(where), volume };
    },
    async space() {
      try {
        return await spaceOf(where);
      } catch (error) {
        throw tapeNotReady(
          'not_mounted',
          english`The mount ${where} of drive ${settings.name} does not tell its free space: ${describeError(error)}.`,
          english`Unmount it and mount the tape with LTFS again.`,
        );
      }
    },
    reserve: ltfsReserve,
    async writeProtection() {
      if (process.platform === 'win32') return undefined;
      return describeLockState(await read(attributes.lockState));
    },
    async sync(folders) {
      if (process.platform === 'win32') {
        // LTFS for Windows writes its index only periodically; the caller has waited TAPE_SYNC_INTERVAL.
        return 'index period';
      }
      for (const folder of folders) await fsyncFolder(folder);
      const before = await read(attributes.generation);
      try {
        await (await requireAttributeTool()).set(where, attributes.sync, '1');
      } catch (error) {
        if (isDeadMount(error)) throw ltfsDied();
        throw new TapeflowFailure(
          'IndexSyncFailed',
          english`LTFS at ${where} could not write its index: ${attributeError(error)}.`,
          { kind: 'transient' },
        );
      }
      const after = await read(attributes.generation);
      return english`index generation ${before} → ${after}`;
    },
  };
}

/**
 * A permanent write error of the data partition, of the index partition, or of both. It is stored on the cartridge
 * itself, and remounting does not clear it.
 */
const permanentError = 0x20 | 0x40 | 0x80;

/**
 * Bits of the lock state with their reasons (`enum volumelock_status` of the reference implementation); the first one
 * set counts.
 */
const lockReasons: readonly [number, string][] = [
  [permanentError, english`LTFS had a write error on it and has made it read-only for good`],
  [0x04 | 0x08 | 0x10, english`its write protection is set`],
  [0x01 | 0x02, english`the volume is locked`],
];

/** Why a volume lock state (`0x00000000`, in some versions `0`) forbids writing; undefined when it does not. */
export function describeLockState(state: string): WriteProtection | undefined {
  const bits = Number(state);
  if (bits === 0) return undefined;
  const reason = lockReasons.find(([mask]) => (bits & mask) !== 0)?.[1];
  const why = english`${reason ?? english`it is locked`} (volume lock state ${state})`;
  return { why, forGood: (bits & permanentError) !== 0 };
}

/**
 * True when an attribute call shows that the process behind the mount has died; `stat` may still answer from the
 * kernel's cache.
 */
function isDeadMount(error: unknown): boolean {
  return /not connected|connection abort/i.test(attributeError(error));
}

/** True for a system error of a call on a tape, with one of these codes. */
function isOfTape(error: unknown, codes: readonly string[]): boolean {
  return sideOf(error) === 'tape' && codes.includes(systemErrorCode(error) ?? '');
}

/** True for failures of a tape after which only what the last good sync covered can be trusted. */
export function isMediumError(error: unknown): boolean {
  const failures = ['IndexSyncFailed', 'ShortOnTape', 'NothingWritten'];
  if (error instanceof TapeflowFailure) return failures.includes(error.code);
  return isOfTape(error, ['EIO', 'EROFS', 'ENODEV', 'ENXIO', 'EBADF', 'EREMOTEIO', 'ENOMEDIUM', 'ENODATA']);
}

/** True when the process behind the mount has died. The tape is not to blame: its last index sync holds. */
export function isMountDeath(error: unknown): boolean {
  return isOfTape(error, ['ENOTCONN', 'ECONNABORTED', 'ESHUTDOWN']);
}

/** True when the tape is full, even if the drive had reported enough space before the write. */
export function isTapeFull(error: unknown): boolean {
  return isOfTape(error, ['ENOSPC', 'EDQUOT']);
}
