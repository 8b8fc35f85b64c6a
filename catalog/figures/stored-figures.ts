import { sql } from 'kysely';
import type { Catalog } from '../open-catalog.js';

/** What tapes hold of a set; sizes in bytes. Its archives are those with a committed copy, each counted once. */
export interface StoredFigure {
  setId: string;
  archives: number;
  /** Members of the archives. */
  files: number;
  /** Bytes of file content in the archives, and of the archives. */
  bytesIn: number;
  bytesOut: number;
  /** Archives of which one good copy exists: neither lost nor known to be damaged. */
  single: number;
  singleBytes: number;
  /** Archives that were committed once, and of which no good copy is left. */
  none: number;
  /** Archives with a good copy of which no copy was ever read back. */
  unverified: number;
  unverifiedBytes: number;
}

/** The figures of every set of which a tape holds or held something, by its id; or of one. Reads its copies once. */
export async function storedBySet(db: Catalog, only?: string): Promise<StoredFigure[]> {
  const one = only === undefined ? sql`` : sql`and copies.set_id = ${only}`;
  const { rows } = await sql<Record<keyof StoredFigure, string | number | null>>`
    select a.set_id as "setId",
      sum(case when c.there > 0 then 1 else 0 end) as archives,
      sum(case when c.there > 0 then a.members else 0 end) as files,
      sum(case when c.there > 0 then a.bytes_in else 0 end) as "bytesIn",
      sum(case when c.there > 0 then a.size else 0 end) as "bytesOut",
      sum(case when c.good = 1 then 1 else 0 end) as single,
      sum(case when c.good = 1 then a.size else 0 end) as "singleBytes",
      sum(case when c.good = 0 then 1 else 0 end) as none,
      sum(case when c.good > 0 and c.proofs = 0 then 1 else 0 end) as unverified,
      sum(case when c.good > 0 and c.proofs = 0 then a.size else 0 end) as "unverifiedBytes"
    from (
      select set_id, group_no,
        sum(case when state = 'committed' then 1 else 0 end) as there,
        sum(case when state = 'committed' and damage is null then 1 else 0 end) as good,
        count(case when state = 'committed' then verified_at end) as proofs
      from copies
      where (state = 'committed' or (state = 'lost' and committed_at is not null)) ${one}
      group by set_id, group_no) as c
    join archives as a on a.set_id = c.set_id and a.group_no = c.group_no
    group by a.set_id order by a.set_id`.execute(db);
  return rows.map((row) => {
    const numbers = Object.entries(row).map(([name, value]) => [
      name,
      name === 'setId' ? value : Number(value),
    ]);
    return Object.fromEntries(numbers) as StoredFigure;
  });
}
