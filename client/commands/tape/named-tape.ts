import { english } from '../../../messages/sentence.js';
import type { TapeRow } from '../../../catalog/rows.js';
import { tapeByName } from '../../../catalog/tapes/tapes.js';
import { usageFailure } from '../../../config/failures.js';
import type { Session } from '../../session.js';

/** The tape of that name in the catalog; throws a usage failure when there is none. */
export async function namedTape(session: Session, name: string): Promise<TapeRow> {
  const row = await tapeByName(await session.catalog(), name);
  if (row !== undefined) return row;
  throw usageFailure(
    'NoSuchTape',
    english`The catalog knows no tape ${name}.`,
    english`\`tapeflow tape list\` shows them.`,
  );
}

/** A tape, as shown by `--json`. */
export function tapeObject(row: TapeRow): object {
  const { uuid, name, pool, state, reason, volume, capacity, free } = row;
  return {
    uuid,
    name,
    pool,
    state,
    reason,
    volume,
    capacity,
    free,
    labelled: new Date(row.labelled_at).toISOString(),
    lastSeen: new Date(row.seen_at).toISOString(),
  };
}
