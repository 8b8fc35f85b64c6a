import { rm } from 'node:fs/promises';
import { copyDir } from './paths.js';

/** Deletes what a copy has staged. */
export async function removeCopyStaging(stagingRoot: string, id: string): Promise<void> {
  await rm(copyDir(stagingRoot, id), { recursive: true, force: true });
}
