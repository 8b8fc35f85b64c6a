import type { Insertable } from 'kysely';
import { fromBytes, toBytes } from '../archive/byte-string.js';
import { splitTime } from '../archive/file-time.js';
import { recordEvents, type GroupEvent } from '../catalog/events.js';
import { nameStart } from '../catalog/file-names.js';
import { holderOf, insertFiles, scanCursor, type HeldRow, type NewFile } from '../catalog/files.js';
import type { Catalog } from '../catalog/open-catalog.js';
import type { GroupsTable } from '../catalog/schema.js';
import { BaseSet, type Held } from './base-set.js';
import type { WalkedEntry } from './walk.js';

/** Limits of a group and of staging; bytes of file content. */
export interface PlanLimits {
  groupBytes: number;
  groupFiles: number;
  /** A single file above this cannot be staged: its group goes directly to the tape. */
  stagingBytes: number;
  /** True when every group goes directly to the tape. */
  direct: boolean;
}

type NewGroup = Insertable<GroupsTable> & { unchanged: number };

/** Entries of one commit: one fsync for so many, in some ten milliseconds of the catalog's write lock and about 3 MB. */
const batchRows = 4000;

/**
 * Writes walked entries into the catalog and cuts them into file groups as they come. Groups are ranges of the walk; a
 * group is closed before an entry that would take it over a limit, so it never exceeds one unless a single file does.
 * Files and groups of a batch are committed together: a scan that was killed goes on after the last batch.
 *
 * What is unchanged since the set that this one builds on gets its row too, and counts no bytes.
 */
export class GroupPlanner {
  private readonly files: NewFile[] = [];
  private readonly closed: NewGroup[] = [];
  private open: NewGroup | undefined;
  private lastNo = 0;
  /** Inodes with several names that the open group holds already: they count once. */
  private inodes = new Set<string>();
  /** First path of each inode with several names seen in this batch, for links into other groups. */
  private readonly firstPaths = new Map<string, { path: Uint8Array; holder: string }>();
  readonly counted = { entries: 0, bytes: 0, groups: 0 };

  private constructor(
    private readonly catalog: Catalog,
    private readonly setId: string,
    private readonly limits: PlanLimits,
    private readonly base: BaseSet | undefined,
  ) {}

  /** A planner that goes on where an earlier scan of the set has stopped, and the member name it stopped at. */
  static async resume(
    catalog: Catalog,
    setId: string,
    limits: PlanLimits,
  ): Promise<{ planner: GroupPlanner; after: string | undefined }> {
    const planner = new GroupPlanner(catalog, setId, limits, await BaseSet.of(catalog, setId));
    const last = await catalog
      .selectFrom('groups')
      .selectAll()
      .where('set_id', '=', setId)
      .orderBy('no', 'desc')
      .limit(1)
      .executeTakeFirst();
    planner.lastNo = last?.no ?? 0;
    if (last?.state === 'open') {
      planner.open = last;
      const linked = await catalog
        .selectFrom('files')
        .select(['dev', 'ino'])
        .where('set_id', '=', setId)
        .where('path', '>=', last.first_path)
        .where('nlink', '>', 1)
        .where('state', '!=', 'unchanged')
        .execute();
      planner.inodes = new Set(linked.map((row) => `${row.dev}:${row.ino}`));
    }
    const counted = await catalog
      .selectFrom('groups')
      .select((eb) => [
        eb.fn.sum<number | null>('entries').as('entries'),
        eb.fn.sum<number | null>('bytes').as('bytes'),
      ])
      .where('set_id', '=', setId)
      .executeTakeFirstOrThrow();
    planner.counted.entries = Number(counted.entries ?? 0);
    planner.counted.bytes = Number(counted.bytes ?? 0);
    planner.counted.groups = planner.lastNo;
    const cursor = await scanCursor(catalog, setId);
    return { planner, after: cursor === undefined ? undefined : fromBytes(cursor) };
  }

  /** Adds one entry; writes a batch when one is full. */
  async add(entry: WalkedEntry): Promise<void> {
    const path = toBytes(entry.name);
    const isContent = entry.type === 'file' && entry.skipped === null;
    const size = isContent ? Number(entry.stats?.size ?? 0n) : 0;
    const inode =
      isContent && Number(entry.stats?.nlink ?? 1n) > 1
        ? `${entry.stats?.dev}:${entry.stats?.ino}`
        : undefined;
    const held = await this.base?.held(entry);
    const stored = held === undefined ? size : 0;
    let bytes = inode !== undefined && this.inodes.has(inode) ? 0 : stored;
    if (this.open !== undefined && this.isTooMuch(this.open, bytes)) {
      this.close();
      bytes = stored;
    }
    this.open ??= this.begin(path);
    this.open.bytes += bytes;
    this.open.entries += 1;
    this.open.last_path = path;
    if (bytes > this.limits.stagingBytes) this.open.direct = 1;
    if (held !== undefined) this.open.unchanged += 1;
    else if (inode !== undefined) this.inodes.add(inode);
    this.files.push(await this.row(entry, path, size, inode, held));
    this.counted.entries += 1;
    this.counted.bytes += bytes;
    if (bytes > this.limits.groupBytes) this.close();
    if (this.files.length >= batchRows) await this.flush();
  }

  private isTooMuch(open: NewGroup, bytes: number): boolean {
    return open.bytes + bytes > this.limits.groupBytes || open.entries >= this.limits.groupFiles;
  }

  private begin(path: Uint8Array): NewGroup {
    this.inodes = new Set();
    this.lastNo += 1;
    this.counted.groups = this.lastNo;
    return {
      set_id: this.setId,
      no: this.lastNo,
      state: 'open',
      bytes: 0,
      entries: 0,
      unchanged: 0,
      first_path: path,
      last_path: path,
      direct: this.limits.direct ? 1 : 0,
      token: null,
      reserved: 0,
      reason: null,
    };
  }

  private close(): void {
    if (this.open === undefined) return;
    this.closed.push({ ...this.open, state: 'planned' });
    this.open = undefined;
  }

  private async row(
    entry: WalkedEntry,
    path: Uint8Array,
    size: number,
    inode: string | undefined,
    held: Held | undefined,
  ): Promise<NewFile> {
    const { stats } = entry;
    const own = { set_id: this.setId, group_no: this.lastNo, held_set: null, held_group: null };
    const mtime = splitTime(stats?.mtimeNs ?? 0n);
    const ctime = splitTime(stats?.ctimeNs ?? 0n);
    return {
      ...own,
      path,
      type: entry.type,
      size,
      mtime_s: mtime.seconds,
      mtime_ns: mtime.ns,
      ctime_s: ctime.seconds,
      ctime_ns: ctime.ns,
      mode: Number((stats?.mode ?? 0n) & 0o7777n),
      uid: Number(stats?.uid ?? 0n),
      gid: Number(stats?.gid ?? 0n),
      dev: String(stats?.dev ?? 0n),
      ino: String(stats?.ino ?? 0n),
      nlink: entry.type === 'file' ? Number(stats?.nlink ?? 1n) : 1,
      link_target: entry.linkTarget === null ? null : toBytes(entry.linkTarget),
      hard_link_of: inode === undefined ? null : await this.earlierLink(inode, path, { ...own, ...held }),
      state: entry.skipped !== null ? 'skipped' : held === undefined ? 'planned' : 'unchanged',
      reason: entry.skipped,
      sha256: null,
      tar_offset: null,
      name_at: nameStart(path),
      ...held,
    };
  }

  /** The first path of this inode when another archive holds it: the content of this one is there again. */
  private async earlierLink(inode: string, path: Uint8Array, where: HeldRow): Promise<Uint8Array | null> {
    const holder = holderName(where);
    const [dev = '', ino = ''] = inode.split(':');
    let first = this.firstPaths.get(inode);
    if (first === undefined) {
      const row = await this.catalog
        .selectFrom('files')
        .select(['path', 'set_id', 'group_no', 'held_set', 'held_group'])
        .where('set_id', '=', this.setId)
        .where('dev', '=', dev)
        .where('ino', '=', ino)
        .where('nlink', '>', 1)
        .orderBy('path')
        .limit(1)
        .executeTakeFirst();
      first = row === undefined ? { path, holder } : { path: row.path, holder: holderName(row) };
      this.firstPaths.set(inode, first);
    }
    return first.holder === holder ? null : first.path;
  }

  /** Commits what was added since the last batch: files, groups and the `planned` events. */
  async flush(): Promise<void> {
    if (this.files.length === 0 && this.closed.length === 0) return;
    const groups = this.open === undefined ? this.closed : [...this.closed, this.open];
    const events: GroupEvent[] = this.closed.map((group) => ({
      setId: this.setId,
      group: group.no,
      stage: 'planned',
      bytes: group.bytes,
      detail: `${group.entries} entries${group.unchanged === 0 ? '' : `, ${group.unchanged} of them unchanged`}`,
    }));
    await this.catalog.transaction().execute(async (tx) => {
      for (const group of groups) {
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
      await insertFiles(tx, this.files);
      await recordEvents(tx, events);
    });
    this.files.length = 0;
    this.closed.length = 0;
    this.firstPaths.clear();
  }

  /** Closes the last group and marks the set as scanned. */
  async finish(leftOut: string[]): Promise<void> {
    this.close();
    await this.flush();
    await this.catalog
      .updateTable('sets')
      .set({ scanned: 1, left_out: JSON.stringify(leftOut) })
      .where('id', '=', this.setId)
      .execute();
  }
}

function holderName(row: HeldRow): string {
  const { setId, group } = holderOf(row);
  return `${setId} ${group}`;
}
