import { lstatSync, statfsSync, statSync, type Stats } from 'node:fs';
import { timeNs } from '../../entry/file-time.js';
import { fromBytes, fromText, toBytes } from '../../entry/byte-string.js';
import { memberNameOfText, parentNames, strippedName } from '../../entry/member-name.js';
import type { Selection } from '../../entry/selection.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { FileRow } from '../../catalog/rows.js';
import { selectedFiles } from '../../catalog/files/selected-files.js';
import { formatBytes } from '../../config/sizes.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { english } from '../../messages/sentence.js';

/** What a restore still has to make on one file system. */
export interface RoomNeeded {
  /** A folder of it. */
  folder: string;
  bytes: number;
  inodes: number;
}

/** What is asked of a restore, as far as its room depends on it. */
export interface RoomQuestion {
  setId: string;
  target: string;
  selection: Selection;
  overwrite: string;
  /** Nothing of the set is in the target, and all of it goes to one file system: this is what its archives hold. */
  fresh: { bytes: number; members: number } | undefined;
}

/** What a restore needs of each file system below its target, besides what lies there already. Only reads. */
export async function roomNeeded(catalog: Catalog, question: RoomQuestion): Promise<RoomNeeded[]> {
  const { setId, target, selection, fresh } = question;
  if (fresh !== undefined) {
    const folder = existingAbove(fromText(target)).folder;
    return [{ folder: toBytes(folder).toString(), bytes: fresh.bytes, inodes: fresh.members }];
  }
  const count = new RoomCount(question);
  for await (const page of selectedFiles(catalog, setId, selection))
    for (const row of page) if (row.tar_offset !== null) count.add(row);
  return count.needs();
}

/** True when what a set holds goes to one file system: the places of its sources are on that of the target. */
export function isOneFileSystem(target: string, sources: readonly string[]): boolean {
  const at = fromText(target);
  const { dev } = existingAbove(at);
  return sources.every(
    (source) => existingAbove(`${at}/${memberNameOfText(source, process.platform)}`).dev === dev,
  );
}

/** Why the target cannot take it all, in one sentence; undefined when it can, or when it does not say. */
export function lackOfRoom(needs: readonly RoomNeeded[]): string | undefined {
  for (const { folder, bytes, inodes } of needs) {
    const room = statfsSync(folder);
    // What is kept back for root is root's.
    const free = room.bsize * (process.getuid?.() === 0 ? room.bfree : room.bavail);
    if (bytes > free)
      return english`The restore needs ${formatBytes(bytes)}, but only ${formatBytes(free)} are free
        at ${folder}.`;
    if (room.files > 0 && inodes > room.ffree)
      return english`The restore makes ${formatCount(inodes, 'entry', 'entries')},
        but the file system at ${folder} takes only ${formatNumber(room.ffree)} more.`;
  }
  return undefined;
}

class RoomCount {
  private readonly byDevice = new Map<number, RoomNeeded & { largestReplaced: number }>();
  private above: { name: string; found: { folder: string; dev: number; isWhole: boolean } } | undefined;

  constructor(private readonly question: RoomQuestion) {}

  needs(): RoomNeeded[] {
    return [...this.byDevice.values()].map(({ folder, bytes, inodes, largestReplaced }) => ({
      // A file is complete before the one that it replaces is gone.
      ...{ folder: toBytes(folder).toString(), bytes: Math.max(0, bytes) + largestReplaced, inodes },
    }));
  }

  add(row: FileRow): void {
    const name = strippedName(fromBytes(row.path), this.question.selection.strip ?? 0);
    if (name === undefined) return;
    const above = this.folderAbove(name);
    const there = above.isWhole ? lookAt(`${fromText(this.question.target)}/${name}`) : undefined;
    const need = this.byDevice.get(above.dev) ?? {
      ...{ folder: above.folder, bytes: 0, inodes: 0, largestReplaced: 0 },
    };
    this.byDevice.set(above.dev, need);
    if (there === undefined) need.inodes += 1;
    // Another name of a file takes no room.
    if (row.type !== 'file' || row.link_target !== null || (there !== undefined && this.stays(row, there)))
      return;
    need.bytes += row.stored_size ?? row.size;
    if (there?.isFile() !== true || there.nlink > 1) return;
    need.bytes -= there.size;
    need.largestReplaced = Math.max(need.largestReplaced, there.size);
  }

  /** True when what is there already is not written again, or must stay. */
  private stays({ size, mtime_s: mtimeS, mtime_ns: mtimeNs }: FileRow, there: Stats): boolean {
    const { overwrite } = this.question;
    const time = Number(timeNs({ mtimeS, mtimeNs }) / 1_000_000n);
    if (!there.isFile() || overwrite === 'never') return true;
    if (there.size === size && Math.abs(there.mtimeMs - time) < 2) return true;
    return overwrite === 'if-newer' && there.mtimeMs >= time;
  }

  private folderAbove(name: string) {
    const [folder = ''] = parentNames(name);
    if (this.above?.name !== folder)
      this.above = { name: folder, found: existingAbove(`${fromText(this.question.target)}/${folder}`) };
    return this.above.found;
  }
}

/** The nearest existing folder of a path, its device, and whether it is the path itself. All are byte strings. */
function existingAbove(path: string): { folder: string; dev: number; isWhole: boolean } {
  for (let folder = path, isWhole = true; ; isWhole = false) {
    const there = statOrNothing(folder);
    if (there !== undefined) return { folder, dev: there.dev, isWhole };
    const slash = folder.lastIndexOf('/');
    folder = slash <= 0 ? '/' : folder.slice(0, slash);
  }
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(toBytes(path), { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(toBytes(path), { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
