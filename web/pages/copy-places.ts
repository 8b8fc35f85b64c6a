import { listTapes } from '../../catalog/tapes/tapes.js';
import type { Session } from '../../client/session.js';

/** What a copy from tape to tape may use. */
export interface CopyPlaces {
  drives: string[];
  /** Those that have a tape, and the one of the settings. */
  pools: string[];
}

/** All drives and pools that there are. */
export async function copyPlaces(session: Session): Promise<CopyPlaces> {
  const { drives, TAPE_POOL } = await session.allDrives();
  const tapes = await listTapes(await session.catalog());
  return {
    drives: drives.map(({ name }) => name),
    pools: [...new Set([...tapes.map(({ pool }) => pool), TAPE_POOL])],
  };
}
