import { english } from '../../messages/sentence.js';
import { systemErrorCode, TapeflowFailure } from '../../config/failures.js';

const prefix = 'POSTGRES_';

/**
 * An error of PostgreSQL, or of the way to it. `code` is `POSTGRES_` and the SQLSTATE of the server's answer (appendix
 * A of its manual), or the system's code, as `POSTGRES_ECONNREFUSED`; it survives the way from one thread to another.
 */
export class ServerError extends Error {
  readonly code: string;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'ServerError';
    this.code = prefix + (systemErrorCode(cause) ?? (ended.test(this.message) ? 'LOST' : 'OTHER'));
  }
}

/** What the package `pg` says, without a code, of a connection that has ended or was not made in time. */
const ended = /terminated|timeout|not queryable|was closed/i;

/** What was thrown while a query ran: a known limit as a failure with its sentence, all else as a `ServerError`. */
export function queryError(cause: unknown): Error {
  const error = new ServerError(cause);
  // 54000: program_limit_exceeded.
  if (serverCode(error) !== '54000') return error;
  return new TapeflowFailure(
    'PathTooLong',
    english`A path of more than about 2,600 bytes does not fit a catalog in PostgreSQL.`,
    { advice: english`Leave it out with --exclude, or keep the catalog in SQLite.`, cause: error },
  );
}

/** The SQLSTATE or system code of an error of PostgreSQL; undefined for any other error. */
export function serverCode(error: unknown): string | undefined {
  const code = systemErrorCode(error);
  return code?.startsWith(prefix) === true ? code.slice(prefix.length) : undefined;
}

/**
 * No way to the server, or it is starting, stopping or failing over: classes 08 (connection), 57P0x (operator), 58
 * (its disk); and a server that takes no writes, which is a standby that is not yet the primary.
 */
const away = /^(E(?!RR_)[A-Z_0-9]+|LOST|08...|57P0[1-5]|58...|25006)$/;
/** Refused: the user (28), or there are too few resources (53: disk full, connections, memory). */
const refused = /^(28...|53...)$/;
/** Another transaction has the lock; a deadlock or a serialization failure, which a repetition outlasts. */
const busy = /^(55P03|40P01|40001)$/;

/** True when nothing answers, or not as the primary server does: a connection that has met this is thrown away. */
export function isServerAway(error: unknown): boolean {
  return away.test(serverCode(error) ?? '');
}

/** True when the server cannot be used now, but may be later. A transaction that met this has changed nothing. */
export function isServerOutOfReach(error: unknown): boolean {
  const code = serverCode(error) ?? '';
  return away.test(code) || refused.test(code) || busy.test(code);
}

/** True when the server, or this user there, takes no writes. */
export function isServerReadOnly(error: unknown): boolean {
  return ['25006', '42501'].includes(serverCode(error) ?? '');
}

/** The kinds of these errors by code: what a person is told, in two sentences. The first match counts. */
const sentences: [RegExp, string, (catalog: string, code: string, said: string) => string, string][] = [
  [
    busy,
    'CatalogBusy',
    (catalog, code) => english`The catalog ${catalog} is locked by another transaction (${code}).`,
    english`Sets wait and go on by themselves; end whatever holds it, such as a
 database tool with an open transaction.`,
  ],
  [
    /^53100$/,
    'CatalogDiskFull',
    (catalog) => english`The disk of the catalog ${catalog} is full.`,
    english`Make room on the disk of PostgreSQL; sets wait and go on by themselves.`,
  ],
  [
    /^53300$/,
    'CatalogBusy',
    (catalog) => english`PostgreSQL has no connection left for the catalog ${catalog}.`,
    english`Raise max_connections there; each process of tapeflow uses up to eight.`,
  ],
  [
    /^(28...)$/,
    'CatalogUnusable',
    (catalog, code) => english`PostgreSQL does not let the user of the catalog ${catalog} in (${code}).`,
    english`Check user and password in CATALOG_URL, and pg_hba.conf of the server.`,
  ],
  [
    /^(ERR_TLS|ERR_SSL|.*CERT|UNABLE_TO)/,
    'CatalogUnusable',
    (catalog, code) =>
      english`The certificate of the server of the catalog ${catalog} is not trusted (${code}).`,
    english`Name the certificate of its authority in CATALOG_URL: \`?sslmode=verify-full&sslrootcert=FILE\`.`,
  ],
  [
    /^3D000$/,
    'CatalogUnusable',
    (catalog) => english`The database of the catalog ${catalog} does not exist.`,
    english`Make it with \`createdb\`, or correct CATALOG_URL.`,
  ],
  [
    /^25006$/,
    'CatalogUnusable',
    (catalog) => english`The server of the catalog ${catalog} takes no writes: it is a standby.`,
    english`CATALOG_URL must lead to the primary server; sets wait and go on by themselves.`,
  ],
  [
    /^42501$/,
    'CatalogUnusable',
    (catalog) => english`The user of the catalog ${catalog} has too few rights there.`,
    english`It must own its schema, or be granted all rights on the tables in it.`,
  ],
  [
    /^XX00[12]$/,
    'CatalogDamaged',
    (catalog, code) => english`The catalog ${catalog} is damaged (${code}).`,
    english`Nothing was changed; see "The catalog is lost" in docs/recovery.md.`,
  ],
  [
    /^58...$/,
    'CatalogUnreadable',
    (catalog, code) => english`The disk of the catalog ${catalog} fails (${code}).`,
    english`Check the disk of PostgreSQL; sets wait and go on by themselves.`,
  ],
  [
    /^OTHER$/,
    'CatalogUnusable',
    (catalog, _, said) => english`The catalog ${catalog} cannot be used: ${said}.`,
    english`Check CATALOG_URL.`,
  ],
  [
    away,
    'CatalogAway',
    (catalog, code) => english`PostgreSQL does not answer for the catalog ${catalog} (${code}).`,
    english`Start it, or mend the way to it; sets wait and go on by themselves.`,
  ],
];

/** What a person is told about an error of PostgreSQL; undefined for an error that is none, or not known. */
export function serverSentences(
  error: unknown,
  catalog: string,
): { name: string; message: string; advice: string } | undefined {
  const code = serverCode(error);
  const found = sentences.find(([codes]) => code !== undefined && codes.test(code));
  if (code === undefined || found === undefined) return undefined;
  const [, name, message, advice] = found;
  const said = error instanceof Error ? error.message.replace(/\.$/, '') : '';
  return { name, message: message(catalog, code, said), advice };
}
