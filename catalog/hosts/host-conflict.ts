import { english } from '../../messages/sentence.js';
import { shownCatalog } from '../../config/catalog-url.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatTime } from '../../config/local-time.js';
import type { HostDriveRow, HostRow } from '../rows.js';

/** Milliseconds between two signs of life of a worker. */
export const signOfLifeMs = 30_000;
/** Milliseconds after the last one when a worker counts as gone, however it has ended. */
export const goneAfterMs = 4 * signOfLifeMs;

/** True when a worker was heard of lately, and has not said that it stops. */
export function isHeard(at: number | null, now: number): boolean {
  return at !== null && now - at < goneAfterMs;
}

const waitOr = english`Of one that was killed, this is known ${goneAfterMs / 60_000} minutes later.`;

/** Another machine, or data folder, works under the same name. */
export function nameTaken(
  name: string,
  other: Pick<HostRow, 'machine' | 'data_dir' | 'heard_at'>,
): TapeflowFailure {
  return new TapeflowFailure(
    'HostTaken',
    english`The workers of another data folder work as host ${name}: ${other.data_dir} on the machine
      ${other.machine}, last heard of at ${formatTime(other.heard_at)}.`,
    {
      advice:
        english`Give this host a name of its own by TAPEFLOW_HOST, or end the workers there.` + ` ${waitOr}`,
    },
  );
}

/** Another machine, or data folder, has worked under the name that this machine has by itself. */
export function nameKnown(
  name: string,
  other: Pick<HostRow, 'machine' | 'data_dir' | 'heard_at'>,
): TapeflowFailure {
  return new TapeflowFailure(
    'HostTaken',
    english`There is a host ${name} already, with the data folder ${other.data_dir} on the machine
      ${other.machine}, last heard of at ${formatTime(other.heard_at)}.`,
    {
      advice: english`Give this host a name of its own by TAPEFLOW_HOST; if it takes the place of the other,
        with its sources and drives, set TAPEFLOW_HOST=${name}.`,
    },
  );
}

/** An SQLite file cannot be used by two machines. */
export function needsPostgres(other: Pick<HostRow, 'name' | 'heard_at'>, url: string): TapeflowFailure {
  return new TapeflowFailure(
    'OneHostOnly',
    english`The catalog ${shownCatalog(url)} is an SQLite file, which only one host can use: host
      ${other.name} does, last heard of at ${formatTime(other.heard_at)}.`,
    {
      advice:
        english`Move it by \`tapeflow catalog copy\` and set CATALOG_URL=postgres://… on every host, or
 end the workers there.` + ` ${waitOr}`,
    },
  );
}

/** No other host reaches an embedded server. */
export function needsOwnServer(
  name: string,
  other: Pick<HostRow, 'name' | 'embedded' | 'heard_at'>,
): TapeflowFailure {
  const which = other.embedded === 1 ? other.name : name;
  return new TapeflowFailure(
    'OneServerForAll',
    english`Host ${which} uses the embedded Temporal server, which other hosts of this installation cannot reach;
      host ${other.name} was last heard of at ${formatTime(other.heard_at)}.`,
    {
      advice:
        english`Set TEMPORAL_ADDRESS on every host; docs/deployment.md says how to run a server.` +
        ` ${waitOr}`,
    },
  );
}

/** The drive of that name is on another host. */
export function driveTaken({ name, host, path, last_at }: HostDriveRow): TapeflowFailure {
  return new TapeflowFailure(
    'DriveElsewhere',
    english`The drive ${name} is on host ${host} (${path}), whose worker was last heard of at ${formatTime(last_at)}:
      each drive of an installation has a name of its own.`,
    {
      advice:
        english`Give the drive of this host another name; if it is the same one and was moved here, end its
          worker on host ${host} first.` + ` ${waitOr}`,
    },
  );
}
