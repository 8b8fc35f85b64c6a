import { fstatSync, type BigIntStats } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { storedBytes, type MemberFlag, type PackedMember, type PlannedMember } from '../../entry/member.js';
import { paddedBytes } from '../tar/tar-records.js';
import { english } from '../../messages/sentence.js';
import { whyTooLarge, type FilePacking } from './file-packing.js';
import { holesOf } from './holes.js';
import {
  attributesOf,
  isSystemError,
  isTouched,
  unreadableReason,
  type FileAttributes,
} from './source-file.js';
import { storeContent, type FileReading } from './store-content.js';

/** How often a file is read again when it shrinks or changes while it is read. */
const rereads = 3;
/** Milliseconds between two looks at a file that is being written, and how many looks it has to become quiet. */
const quietMs = 50;
const quietLooks = 20;

/** Stores files as they were at one moment each, although somebody may write to them. */
export class SteadyFiles {
  /** Bytes in the archive that a later member of the same name replaces. */
  superseded = 0;

  constructor(private readonly packing: FilePacking) {}

  /**
   * Stores the content of a moment: what changes while it is read is read again once it is quiet. The first reading is
   * taken back while it is in the open block; else the next one becomes a later member of the same name.
   */
  async add(
    entry: PlannedMember,
    fd: number,
    stats: BigIntStats,
    facts: FileAttributes,
  ): Promise<PackedMember | string> {
    const { tar, progress, codec, checkStop } = this.packing;
    /** What is in the archive already, and cannot be taken back. */
    let last: PackedMember | undefined;
    /** The length of a file that says another one. */
    let length: number | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const begins = tar.position;
      const before = progress.bytesIn;
      const holes = length === undefined ? holesOf(fd, stats, codec, checkStop) : undefined;
      const size = holes?.storedSize ?? facts.size;
      const tooLarge = whyTooLarge(this.packing, entry, size, last !== undefined);
      if (tooLarge !== undefined) return last === undefined ? tooLarge : inconsistent(last);
      const reading = await storeContent(this.packing, entry, fd, facts, holes, length);
      const { member, missing, error } = reading;
      const now = fstatSync(fd, { bigint: true });
      const isTouchedNow = isTouched(now, stats);
      // What can be taken back is rather read again than compared, so that it has its new time too.
      const compare = attempt > rereads || !tar.canRewind(begins);
      if (missing === 0 && (!isTouchedNow || (compare && (await this.isStill(fd, reading))))) {
        this.supersede(last);
        return isTouchedNow ? { ...member, flags: [...changesOf(now, stats), ...member.flags] } : member;
      }
      if (attempt > rereads || error !== undefined) return this.giveUp(reading, begins, before, last);
      if (missing > 0 && !isTouchedNow) length = member.size - missing;
      if (tar.rewind(begins)) progress.bytesIn = before;
      else if (missing > 0) return this.pad(reading, last);
      else {
        this.supersede(last);
        last = member;
      }
      stats = await this.quiet(fd);
      facts = attributesOf(stats);
    }
  }

  /** After the last reading: what is stored of a file that never was the same for long enough. */
  private async giveUp(
    reading: FileReading,
    begins: number,
    bytesBefore: number,
    last: PackedMember | undefined,
  ): Promise<PackedMember | string> {
    const { member, missing, error } = reading;
    const { tar, progress } = this.packing;
    if (missing === 0) {
      this.supersede(last);
      return inconsistent(member);
    }
    if (!tar.rewind(begins)) return this.pad(reading, last);
    progress.bytesIn = bytesBefore;
    if (last !== undefined) return inconsistent(last);
    return error === undefined ? english`shrank again and again while it was read` : unreadableReason(error);
  }

  /** Its header is already written and promises more bytes: zeros replace the missing ones. */
  private async pad({ member, missing }: FileReading, last: PackedMember | undefined): Promise<PackedMember> {
    this.supersede(last);
    const stored = storedBytes(member);
    await this.packing.tar.writeZeros(missing + paddedBytes(stored) - stored);
    return { ...member, sha256: null, flags: ['padded', ...member.flags] };
  }

  private supersede(last: PackedMember | undefined): void {
    if (last !== undefined) this.superseded += storedBytes(last);
  }

  /** True when the file still holds what was stored; false too when it cannot be read any more. */
  private async isStill(fd: number, { member: { size, sha256 }, holes }: FileReading): Promise<boolean> {
    try {
      return (await this.packing.content.read(fd, size, holes)) === sha256;
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  }

  /** Waits until a file is not being written, but no longer than about a second. */
  private async quiet(fd: number): Promise<BigIntStats> {
    let stats = fstatSync(fd, { bigint: true });
    for (let look = 1; look <= quietLooks; look += 1) {
      await sleep(quietMs);
      this.packing.checkStop();
      const now = fstatSync(fd, { bigint: true });
      if (!isTouched(now, stats)) return now;
      stats = now;
    }
    return stats;
  }
}

/** What has happened to a file whose content is that of one moment. */
function changesOf(now: BigIntStats, before: BigIntStats): MemberFlag[] {
  if (now.size > before.size) return ['grew'];
  return now.mtimeNs !== before.mtimeNs ? ['changed'] : [];
}

function inconsistent(member: PackedMember): PackedMember {
  return { ...member, sha256: null, flags: ['inconsistent', ...member.flags] };
}
