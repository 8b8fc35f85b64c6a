import { sql } from 'kysely';
import { fromBytes, fromText, isAscii, toBytes } from '../../entry/byte-string.js';
import { isInPostgres } from '../dialect.js';
import { stateCode, typeCode } from '../files/entry-rows.js';
import type { Catalog } from '../open-catalog.js';

/** What a scan compares a file with. */
export interface ComparedRow {
  /** Member name, a byte string. */
  name: string;
  size: number;
  mtime_s: number;
  mtime_ns: number;
  ctime_s: number;
  ctime_ns: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  /** Null where no number is exact: then `large_ino` has it in decimal, as a signed number of 64 bits. */
  ino: number | null;
  large_ino: string | null;
  /** What holds its content; see `EntriesTable`. */
  group_no: number;
  held_layer: number | null;
  held_group: number | null;
  /** The place of its layer in the chain. */
  part: number;
  /** 1 for a file that was stored completely, or was unchanged itself, as the scan saw it; else 0. */
  builds: number;
}

/** Most layers but the lowest have few rows. */
const firstPageSize = 20;

/** The rows of one layer in the order of their names. */
export class LayerStream {
  private page: ComparedRow[] = [];
  private place = 0;
  /** Rows of the pages before. */
  private before = 0;
  private isLast = false;

  /**
   * @param layer its number and its place in the chain.
   * @param last the path behind which it begins, if one is given.
   * @param most rows in memory.
   */
  constructor(
    private readonly db: Catalog,
    private readonly layer: { no: number; part: number },
    private last: Uint8Array | undefined,
    private readonly most: number,
    private size = Math.min(firstPageSize, most),
  ) {}

  get head(): ComparedRow | undefined {
    return this.page[this.place];
  }

  /** The number of that row, from 0. */
  get no(): number {
    return this.before + this.place;
  }

  /** Goes to the next row. Returns a promise only when a page has to be read. */
  pass(): Promise<void> | undefined {
    this.place += 1;
    return this.place < this.page.length || this.isLast ? undefined : this.load();
  }

  async load(): Promise<void> {
    const { db, size } = this;
    const page = await this.rows(!isInPostgres(db));
    this.before += this.page.length;
    this.page = page;
    this.place = 0;
    this.isLast = page.length < size;
    this.size = Math.min(2 * size, this.most);
    const end = page.at(-1);
    if (end !== undefined) this.last = toBytes(end.name);
  }

  /** The next page. `asText`: names are read as text, which takes half as long. */
  private async rows(asText: boolean): Promise<ComparedRow[]> {
    const { layer, last, size } = this;
    let query = this.db
      .selectFrom('entries')
      .select([
        'size',
        'mtime_s',
        'mtime_ns',
        'mode',
        'uid',
        'gid',
        'nlink',
        'group_no',
        'held_layer',
        'held_group',
      ])
      .select(({ fn }) => [
        fn.coalesce('ctime_s', 'mtime_s').as('ctime_s'),
        fn.coalesce('ctime_ns', 'mtime_ns').as('ctime_ns'),
        sql<number | null>`case when ${isExact} then ino end`.as('ino'),
        sql<string | null>`case when ${isExact} then null else cast(ino as text) end`.as('large_ino'),
        sql<number>`case when ${mayBeBuiltOn} then 1 else 0 end`.as('builds'),
        sql.lit(layer.part).$castTo<number>().as('part'),
        (asText ? sql<string | Uint8Array>`cast(path as text)` : sql<string | Uint8Array>`path`).as('name'),
      ])
      .where('layer', '=', layer.no);
    if (last !== undefined) query = query.where('path', '>', last);
    const rows = await query.orderBy('path').limit(size).execute();
    // What is no text has such a character.
    if (asText && rows.some(({ name }) => typeof name === 'string' && name.includes('\ufffd')))
      return this.rows(false);
    for (const row of rows) row.name = byteString(row.name);
    return rows as ComparedRow[];
  }
}

const isExact = sql<boolean>`ino between 0 and ${sql.lit(Number.MAX_SAFE_INTEGER)}`;

const mayBeBuiltOn = sql<boolean>`type = ${sql.lit(typeCode('file'))} and reason is null
  and state in (${sql.join([sql.lit(stateCode('packed')), sql.lit(stateCode('unchanged'))])})`;

function byteString(name: string | Uint8Array): string {
  if (typeof name !== 'string') return fromBytes(name);
  return isAscii(name) ? name : fromText(name);
}
