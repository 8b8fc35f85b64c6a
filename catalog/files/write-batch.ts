import { english } from '../../messages/sentence.js';
import type { Insertable } from 'kysely';
import { recordEvents, type GroupEvent } from '../groups/events.js';
import { recordTally, type TallyTexts } from '../sets/scan-state.js';
import { isInPostgres } from '../dialect.js';
import { shortenNames } from './long-names.js';
import type { ScanRows } from './file-batch.js';
import { insertScanRows } from './scan-rows.js';
import type { Catalog } from '../open-catalog.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import type { GroupsTable } from '../schema/group-tables.js';

export type NewGroup = Insertable<GroupsTable> & { unchanged: number };

/** What one commit of a scan writes, as plain data. */
export interface ScanBatch {
  setId: string;
  files: ScanRows;
  /** Groups that are complete with this batch. */
  closed: NewGroup[];
  /** The group that the scan goes on with. */
  open: NewGroup | undefined;
  /** What was left out before the last of the files, if that has changed. */
  tally?: TallyTexts | undefined;
}

/** Takes the scan's batches in order. */
export interface BatchWriter {
  /**
   * Takes a batch; when enough are pending, waits until one is committed.
   *
   * @returns files of a committed batch, whose memory can be reused.
   */
  write(batch: ScanBatch): Promise<ScanRows | undefined>;
  /** Waits until everything is committed. */
  idle(): Promise<void>;
}

/** Writes in this thread. */
export function sameThreadWriter(catalog: Catalog): BatchWriter {
  return {
    write: async (batch) => {
      await writeBatch(catalog, batch);
      return batch.files;
    },
    idle: async () => undefined,
  };
}

/** The memory of a batch's files, for the transfer to another thread. */
export function arraysOf({ numbers, kinds, names }: ScanRows): ArrayBuffer[] {
  return [numbers, kinds, names].map((array) => array.buffer as ArrayBuffer);
}

/** Commits a batch: files, groups, names, and the `planned` events of groups that are complete. */
export async function writeBatch(catalog: Catalog, batch: ScanBatch): Promise<void> {
  const { setId, files, closed, open, tally } = batch;
  if (isInPostgres(catalog)) shortenNames(files);
  const events: GroupEvent[] = closed.map((group) => ({
    setId,
    group: group.no,
    stage: 'planned',
    bytes: group.bytes,
    detail: plannedText(group),
  }));
  await catalog.transaction().execute(async (tx) => {
    for (const group of open === undefined ? closed : [...closed, open]) await putGroup(tx, group);
    await insertScanRows(tx, setId, files);
    if (tally !== undefined) await recordTally(tx, setId, tally);
    await recordEvents(tx, events);
  });
}

async function putGroup(tx: Catalog, group: NewGroup): Promise<void> {
  await tx
    .insertInto('groups')
    .values(group)
    .onConflict((conflict) =>
      conflict.columns(['set_id', 'no']).doUpdateSet({
        state: group.state,
        bytes: group.bytes,
        entries: group.entries,
        unchanged: group.unchanged,
        last_path: group.last_path,
        direct: group.direct ?? 0,
      }),
    )
    .execute();
}

/** What the plan says of a group: how many entries it has, and how many of them are not stored again. */
function plannedText({ entries, unchanged }: NewGroup): string {
  const counted = formatCount(entries, 'entry', 'entries');
  return unchanged === 0 ? counted : english`${counted}, ${formatNumber(unchanged)} of them unchanged`;
}
