import { english } from '../../messages/sentence.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { transitionTape } from '../../catalog/tapes/tape-states.js';
import { formatBytes } from '../../config/sizes.js';
import type { Drive } from '../drives/drive.js';
import type { LoadedTape } from '../drives/loaded-tape.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';

/** Reason of a full tape that reported free space; a check of its free space does not clear it. */
export const writeFoundNoSpace = english`a write found no space on it`;

/**
 * Throws `TapeNotReady` when the tape has no room for so many bytes. Records that it is full, or no longer is.
 */
export async function requireRoom(
  drive: Drive,
  catalog: Catalog,
  { row, space }: LoadedTape,
  pool: string,
  bytes: number,
): Promise<void> {
  const reserve = drive.reserve(space.capacity);
  const fits = space.free >= bytes + reserve;
  // On LTFS deleting frees nothing: a full tape stays full. A folder can get free space again, unless the reported
  // value was wrong.
  const staysFull = drive.settings.kind === 'ltfs' || row.reason === writeFoundNoSpace;
  if (fits && !(row.state === 'full' && staysFull)) {
    if (row.state === 'full') await transitionTape(catalog, row.uuid, 'regain');
    return;
  }
  const tooLarge = bytes + reserve > space.capacity;
  if (!tooLarge && row.state !== 'full') {
    await transitionTape(catalog, row.uuid, 'fill', english`no room`);
  }
  const why = fits
    ? english`${row.reason ?? writeFoundNoSpace} (it says that ${formatBytes(space.free)} are free)`
    : english`${formatBytes(space.free)} are free, and the next archive needs
      ${formatBytes(bytes)} besides a reserve of ${formatBytes(reserve)}`;
  throw tapeNotReady(
    'full',
    english`The tape ${row.name} is full: ${why}.`,
    tooLarge
      ? english`It is larger than this whole tape: load a larger tape of pool ${pool}.`
      : english`Load another tape of pool ${pool}; \`tapeflow tape label NAME --pool ${pool}\` makes a new one.`,
    { capacity: space.capacity },
  );
}
