import path from 'node:path';

/** Folder of a set's archives while they are being made. */
export function tempDir(stagingRoot: string, setId: string): string {
  return path.join(stagingRoot, 'temp', setId);
}

/** Folder of the archives that a copy from tape to tape has read but not written yet. */
export function copyDir(stagingRoot: string, retrieval: string): string {
  return path.join(stagingRoot, 'copy', retrieval);
}

/** Folder of a set's complete archives that wait for the tape. */
export function finalDir(stagingRoot: string, setId: string): string {
  return path.join(stagingRoot, 'final', setId);
}
