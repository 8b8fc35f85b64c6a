import { english } from '../../messages/sentence.js';
import { clampSeconds } from '../../entry/file-time.js';
import type { ManifestChanges, ManifestHeader } from '../../entry/manifest-content.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import { recipientsText } from '../sets/recipients.js';
import { findSet } from '../sets/sets.js';
import type { SetRow } from '../rows.js';

/** `options` of a set read from tapes: it has no settings, since it never runs. */
export const rebuiltOptions = JSON.stringify({ rebuilt: true });

/** True for a set that is known only from tapes. */
export function isRebuilt(set: Pick<SetRow, 'options'>): boolean {
  return set.options === rebuiltOptions;
}

/** Placeholder UUID for a set of which no manifest was read yet. */
const unknownUuid = (setId: string) => `unknown ${setId}`;

/** True for a set of which no manifest was read yet, so that its identity is unknown. */
export function isUnknownSet(set: Pick<SetRow, 'id' | 'uuid'>): boolean {
  return set.uuid === unknownUuid(set.id);
}

/** What a tape says about the set of an archive; without a header when no manifest could be read. */
export interface FoundSet {
  id: string;
  header: ManifestHeader | undefined;
  pool: string;
  drive: string;
  /** When the archive was made, if known; milliseconds since 1970. */
  at: number;
}

/** A set or archive on a tape that contradicts what the catalog knows; the message is a complete sentence. */
export class CatalogConflict extends Error {}

/**
 * The set of an archive on a tape, in the caller's transaction: created when unknown, and completed when it was known
 * without a manifest. Throws `CatalogConflict` when the catalog has another set of that id.
 */
export async function registerSet(tx: Catalog, found: FoundSet): Promise<SetRow> {
  const { id, header, at } = found;
  const uuid = header?.setUuid ?? unknownUuid(id);
  const known = await findSet(tx, id);
  await requireSameSet(tx, id, uuid, known);
  if (known?.state === 'expired' && (await hasArchives(tx, id)))
    throw new CatalogConflict(english`The set ${id} has expired, and the catalog is still forgetting it.`);
  const told =
    header === undefined
      ? {}
      : {
          ...{
            uuid,
            sources: sourcesOf(header),
            host: header.host ?? null,
            mode: header.mode,
            base_id: header.base ?? null,
          },
          ...(header.endMark === true ? { end_marked: 1 } : {}),
          ...(header.recipients === undefined ? {} : { recipients: recipientsText(header.recipients) }),
          ...(header.changes === undefined ? {} : changesOf(header.changes)),
        };
  if (known === undefined) {
    await tx
      .insertInto('sets')
      .values({
        ...{ id, uuid, sources: '[]', excludes: '[]', pool: found.pool, drive: found.drive, mode: 'full' },
        ...{ direct: 0, options: rebuiltOptions, scanned: 1, left_out: '[]', state: 'failed' },
        reason: english`it is read from tapes; the reading has not ended`,
        created_at: at,
        ...told,
      })
      .execute();
  } else if (isRebuilt(known)) {
    await tx
      .updateTable('sets')
      .set({ ...told, created_at: Math.min(known.created_at, at) })
      // Nothing was left of it: what another copy says is all that is known and must be kept.
      .$if(known.state === 'expired', (query) => query.set({ state: 'failed' }))
      .where('id', '=', id)
      .execute();
  }
  return tx.selectFrom('sets').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

function changesOf({ baseUuid, baseTapes }: ManifestChanges): { base_uuid: string; base_tapes: string } {
  return { base_uuid: baseUuid, base_tapes: JSON.stringify(baseTapes) };
}

async function hasArchives(db: Catalog, setId: string): Promise<boolean> {
  const row = await db
    .selectFrom('archives')
    .select('group_no')
    .where('set_id', '=', setId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function requireSameSet(
  db: Catalog,
  id: string,
  uuid: string,
  known: SetRow | undefined,
): Promise<void> {
  const unknown = unknownUuid(id);
  if (known !== undefined && known.uuid !== uuid && known.uuid !== unknown && uuid !== unknown) {
    throw new CatalogConflict(
      english`The set ${id} on the tape is another than the one that the
        catalog knows (${uuid.slice(0, 64)} and ${known.uuid}).`,
    );
  }
  const other = await db
    .selectFrom('sets')
    .select('id')
    .where('uuid', '=', uuid)
    .where('id', '!=', id)
    .executeTakeFirst();
  if (other !== undefined)
    throw new CatalogConflict(english`The set ${id} on the tape says that it is the set ${other.id}.`);
}

function sourcesOf(header: ManifestHeader): string {
  return JSON.stringify(header.sources);
}

/** Milliseconds since 1970 of a time that was read from a tape; `otherwise` when it is not valid. */
export function timeOf(iso: string, otherwise: number): number {
  const ms = Date.parse(iso);
  return Number.isFinite(ms) ? ms : Math.floor(clampSeconds(otherwise / 1000) * 1000);
}

/** Said about a set whose manifests were all lost. */
export const modeUnknown = english`no manifest of it was read, so that if it builds on an earlier set,
  only what had changed is known`;

/** A sentence on what may be missing from a set without being noticed; undefined when nothing may. */
export function possibleLossNote(set: SetRow): string | undefined {
  return isRebuilt(set) && isUnknownSet(set) ? english`Of the set ${set.id}, ${modeUnknown}.` : undefined;
}

/** A sentence on what is missing from a set, shown before a restore; undefined when nothing is. */
export function missingNote(set: SetRow): string | undefined {
  return isRebuilt(set) && set.state === 'failed'
    ? english`The set ${set.id} was ${set.reason ?? english`not read whole`}.`
    : undefined;
}

/** Throws for a rebuilt set: it has no settings to run with, and its sources may have changed since. */
export function requireOwnSet(set: SetRow): void {
  if (!isRebuilt(set)) return;
  throw new TapeflowFailure('RebuiltSet', english`The set ${set.id} was read from tapes and cannot run.`, {
    kind: 'usage',
    advice: english`Begin a new one with \`tapeflow backup\`.`,
  });
}
