import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { isLaterAttempt, staleAttempt } from '../groups/attempt-tokens.js';
import { recordEvents } from '../groups/events.js';
import type { Catalog } from '../open-catalog.js';
import type { TapeRow } from '../rows.js';
import { copyText, placesOf } from '../sets/copy-places.js';
import { deriveGroupState, deriveStateAfterCommit } from '../groups/group-states.js';
import { forgetResumes } from '../sets/resume-attempts.js';
import { tapeByUuid } from '../tapes/tapes.js';
import { recordBegun } from './begun-copies.js';
import { copyOf } from './copies.js';

/**
 * Begins a copy for one attempt, replacing any that is not committed. Throws `StaleAttempt` when a later attempt has
 * begun it.
 */
export async function beginCopy(
  catalog: Catalog,
  copy: {
    setId: string;
    group: number;
    copyNo: number;
    tape: TapeRow;
    token: string;
    direct: boolean;
    /** The copy's own manifest, if it is not the archive's. */
    manifest?: { size: number; sha256: string } | undefined;
  },
): Promise<void> {
  const { name } = copy.tape;
  const detail = copy.direct ? english`tape ${name}, direct` : english`tape ${name}`;
  await catalog.transaction().execute(async (tx) => {
    await requireWritable(tx, copy.tape);
    const begun = await copyOf(tx, copy.setId, copy.group, copy.copyNo);
    if (isLaterAttempt(begun?.token ?? '', copy.token)) throw staleAttempt(copy.setId, copy.group);
    const row = {
      ...({ tape_uuid: copy.tape.uuid, state: 'writing', token: copy.token } as const),
      ...{ written_at: null, committed_at: null, verified_at: null, damage: null },
      manifest_size: copy.manifest?.size ?? null,
      manifest_sha256: copy.manifest?.sha256 ?? null,
    };
    await tx
      .insertInto('copies')
      .values({ set_id: copy.setId, group_no: copy.group, copy_no: copy.copyNo, ...row })
      .onConflict((conflict) =>
        conflict
          .columns(['set_id', 'group_no', 'copy_no'])
          .doUpdateSet(row)
          .where('copies.state', '!=', 'committed'),
      )
      .execute();
    await recordBegun(tx, { setId: copy.setId, group: copy.group, tape: copy.tape.uuid });
    await deriveGroupState(tx, copy.setId, copy.group);
    await recordEvents(tx, [{ setId: copy.setId, group: copy.group, stage: 'writing', detail }]);
  });
}

/** Someone may have distrusted the tape since it was checked; nothing may be written that counts on it then. */
async function requireWritable(tx: Catalog, { uuid, name }: TapeRow): Promise<void> {
  const state = (await tapeByUuid(tx, uuid))?.state;
  if (state === 'usable' || state === 'full') return;
  throw new TapeflowFailure(
    'TapeNotReady',
    state === undefined
      ? english`The tape ${name} is not in the catalog any more.`
      : english`The tape ${name} is ${state}.`,
    {
      kind: 'person',
      advice: english`Load another tape.`,
      details: { reason: state ?? 'foreign' },
    },
  );
}

/**
 * Records a written copy: it is on the tape under its final name but not yet synced.
 * @returns false when another attempt has begun the copy since; nothing is recorded then.
 */
export async function recordWritten(
  catalog: Catalog,
  copy: { setId: string; group: number; copyNo: number; token: string },
  event: { ms: number; bytes: number; detail: string },
): Promise<boolean> {
  return catalog.transaction().execute(async (tx) => {
    const result = await tx
      .updateTable('copies')
      .set({ state: 'written', written_at: Date.now() })
      .where('set_id', '=', copy.setId)
      .where('group_no', '=', copy.group)
      .where('copy_no', '=', copy.copyNo)
      .where('token', '=', copy.token)
      .where('state', '=', 'writing')
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) return false;
    await deriveGroupState(tx, copy.setId, copy.group);
    await recordEvents(tx, [{ setId: copy.setId, group: copy.group, stage: 'written', ...event }]);
    return true;
  });
}

/** A committed copy; `whole`: with it, all of the set's copies of the group became committed. */
export interface CommittedCopy {
  setId: string;
  group: number;
  copyNo: number;
  whole: boolean;
}

/** Commits synced copies. A staged archive may be deleted once all copies of its group are committed. */
export async function commitCopies(
  catalog: Catalog,
  copies: readonly { setId: string; group: number; copyNo: number; token: string; bytes: number }[],
  sync: { ms: number; detail: string },
): Promise<CommittedCopy[]> {
  const committed: CommittedCopy[] = [];
  await catalog.transaction().execute(async (tx) => {
    for (const { setId, group, copyNo, token, bytes } of copies) {
      const row = await tx
        .updateTable('copies')
        .set({ state: 'committed', committed_at: Date.now() })
        .where('set_id', '=', setId)
        .where('group_no', '=', group)
        .where('copy_no', '=', copyNo)
        .where('token', '=', token)
        .where('state', '=', 'written')
        .returning('tape_uuid')
        .executeTakeFirst();
      if (row === undefined) continue;
      await replaceOnTape(tx, { setId, group, copyNo, tape: row.tape_uuid });
      await forgetResumes(tx, setId);
      const set = await tx
        .selectFrom('sets')
        .select(['pool', 'drive', 'places'])
        .where('id', '=', setId)
        .executeTakeFirstOrThrow();
      const which = copyText(copyNo, Math.max(copyNo, placesOf(set).length));
      const detail = which === '' ? sync.detail : `${which}, ${sync.detail}`;
      await recordEvents(tx, [{ setId, group, stage: 'synced', ms: sync.ms, bytes, detail }]);
      committed.push({
        setId,
        group,
        copyNo,
        whole: await deriveStateAfterCommit(tx, { setId, group, bytes }),
      });
    }
  });
  return committed;
}

/** Marks the damaged copy on the same tape that a new copy has replaced as gone. */
async function replaceOnTape(
  tx: Catalog,
  copy: { setId: string; group: number; copyNo: number; tape: string },
): Promise<void> {
  await tx
    .updateTable('copies')
    .set({ state: 'lost', committed_at: null })
    .where('set_id', '=', copy.setId)
    .where('group_no', '=', copy.group)
    .where('copy_no', '!=', copy.copyNo)
    .where('tape_uuid', '=', copy.tape)
    .execute();
}
