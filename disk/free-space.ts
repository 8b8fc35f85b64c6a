import { statfs } from 'node:fs/promises';

/** Free space of a file system for users other than root. */
export interface FreeSpace {
  bytes: number;
  /** Free inodes; null where the file system allocates them as needed. */
  inodes: number | null;
}

/** Free space of the file system at a path. Quotas are not taken into account. */
export async function freeSpaceAt(path: string): Promise<FreeSpace> {
  const { bsize, bavail, files, ffree } = await statfs(path);
  return { bytes: bavail * bsize, inodes: files === 0 ? null : ffree };
}

/** True when there is enough of both. */
export function hasRoomFor(room: FreeSpace, need: { bytes: number; inodes: number }): boolean {
  return room.bytes >= need.bytes && (room.inodes === null || room.inodes >= need.inodes);
}

/** True when there is more of either than before. */
export function hasGrown(room: FreeSpace, before: FreeSpace): boolean {
  return room.bytes > before.bytes || (room.inodes ?? 0) > (before.inodes ?? 0);
}
