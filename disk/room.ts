import { statfs } from 'node:fs/promises';

/** What a file system has left for whoever is not root. */
export interface Room {
  bytes: number;
  /** Files and folders that can still be made; null where it makes room for them as it needs it. */
  inodes: number | null;
}

/** Asks the file system at a path. What a quota leaves of it is asked nowhere. */
export async function roomAt(path: string): Promise<Room> {
  const { bsize, bavail, files, ffree } = await statfs(path);
  return { bytes: bavail * bsize, inodes: files === 0 ? null : ffree };
}

/** True when both are there. */
export function holds(room: Room, need: { bytes: number; inodes: number }): boolean {
  return room.bytes >= need.bytes && (room.inodes === null || room.inodes >= need.inodes);
}

/** True when there is more of one of them than there was. */
export function hasGrown(room: Room, before: Room): boolean {
  return room.bytes > before.bytes || (room.inodes ?? 0) > (before.inodes ?? 0);
}
