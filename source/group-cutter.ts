import { maxArchiveBytes } from '../catalog/groups/groups.js';
import type { NewGroup } from '../catalog/files/write-batch.js';
import { fromBytes, toBytes } from '../entry/byte-string.js';
import type { WalkedEntry } from './walked-entry.js';

/** Limits of a group and of staging; bytes of file content. */
export interface PlanLimits {
  groupBytes: number;
  groupFiles: number;
  /** A single file above this cannot be staged: its group goes directly to tape. */
  stagingBytes: number;
  /** True when every group goes directly to tape. */
  direct: boolean;
  /** Bytes of the largest archive that a known tape takes; a larger file gets a group of its own. */
  tapeBytes: number;
}

/**
 * Cuts the walk of a set into file groups. A group is closed before an entry that would exceed a limit, so only a
 * single file can exceed one.
 */
export class GroupCutter {
  readonly counted = { entries: 0, bytes: 0, groups: 0 };
  private readonly closed: NewGroup[] = [];
  private open: NewGroup | undefined;
  /** Name of the last entry. */
  private lastName = '';
  /** Hard-linked inodes already in the open group: they count once. */
  private inodes = new Set<string>();

  constructor(
    private readonly setId: string,
    private readonly limits: PlanLimits,
  ) {}

  /** Number of the last entry's group; 0 before the first. */
  get lastNo(): number {
    return this.counted.groups;
  }

  /** Goes on where an earlier scan stopped; `open` is the group that it was about, with its hard-linked inodes. */
  goOn(
    counted: { entries: number; bytes: number; groups: number },
    open?: { group: NewGroup; inodes: readonly string[] },
  ): void {
    Object.assign(this.counted, counted);
    if (open === undefined) return;
    this.open = open.group;
    this.lastName = fromBytes(open.group.last_path);
    this.inodes = new Set(open.inodes);
  }

  /**
   * Assigns the next entry to a group and counts it there.
   *
   * @param inode of a file with several names.
   * @param isHeld true when an earlier set holds its content.
   */
  enter({ name, type, stats, skipped }: WalkedEntry, inode: string | undefined, isHeld: boolean): void {
    const size = type === 'file' && skipped === null ? (stats?.stored ?? stats?.size ?? 0) : 0;
    const stored = isHeld ? 0 : size;
    let bytes = inode !== undefined && this.inodes.has(inode) ? 0 : stored;
    if (this.open !== undefined && this.isTooMuch(this.open, bytes)) {
      this.close();
      bytes = stored;
    }
    const open = (this.open ??= this.begin(toBytes(name)));
    open.bytes += bytes;
    open.entries += 1;
    this.lastName = name;
    if (bytes > this.limits.stagingBytes) open.direct = 1;
    if (isHeld) open.unchanged += 1;
    else if (inode !== undefined) this.inodes.add(inode);
    this.counted.entries += 1;
    this.counted.bytes += bytes;
    if (bytes > this.limits.groupBytes || this.isLargerThanTape(bytes, 1)) this.close();
  }

  private isTooMuch(open: NewGroup, bytes: number): boolean {
    if (open.entries >= this.limits.groupFiles) return true;
    const sum = open.bytes + bytes;
    return sum > this.limits.groupBytes || this.isLargerThanTape(sum, open.entries + 1);
  }

  private isLargerThanTape(bytes: number, entries: number): boolean {
    return maxArchiveBytes({ bytes, entries }) > this.limits.tapeBytes;
  }

  private begin(path: Uint8Array): NewGroup {
    this.inodes = new Set();
    this.counted.groups += 1;
    return {
      set_id: this.setId,
      no: this.counted.groups,
      state: 'open',
      bytes: 0,
      entries: 0,
      unchanged: 0,
      first_path: path,
      last_path: path,
      direct: this.limits.direct ? 1 : 0,
      token: null,
      reserved: 0,
      reason: null,
    };
  }

  /** Closes the open group: the scan has ended, or the next entry begins another. */
  close(): void {
    if (this.open === undefined) return;
    this.closed.push({ ...this.open, last_path: toBytes(this.lastName), state: 'planned' });
    this.open = undefined;
  }

  /** True when a group was closed since they were taken. */
  get hasClosed(): boolean {
    return this.closed.length > 0;
  }

  /** Takes the groups closed since they were taken, and the open one as it is now. */
  take(): { closed: NewGroup[]; open: NewGroup | undefined } {
    if (this.open !== undefined) this.open.last_path = toBytes(this.lastName);
    return { closed: this.closed.splice(0), open: this.open };
  }
}
