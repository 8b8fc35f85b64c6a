import type { Catalog } from './open-catalog.js';

/** What a new set builds on. */
export interface SetBase {
  /** Undefined: there is none, or the set is to be a full one. */
  id: string | undefined;
  /** A sentence, where it is not the newest set that it could be, or cannot be restored from each pool alone. */
  note: string | undefined;
}

/**
 * The set that one with these sources builds on: for an incremental one the newest that has completed and of which nothing was
 * erased, for a differential one the newest full one of those. It and all that it builds on must be in the pools of the new
 * set, so that the tapes of each of them restore it; where that is true of no set, in one of them.
 */
export async function baseFor(
  db: Catalog,
  mode: string,
  sources: string,
  pools: readonly string[],
): Promise<SetBase> {
  if (mode === 'full') return { id: undefined, note: undefined };
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'base_id', 'mode', 'state', 'erased_at'])
    .where('sources', '=', sources)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  const candidates = sets.filter(
    (set) =>
      (set.state === 'completed' || set.state === 'completed_with_skips') &&
      set.erased_at === null &&
      (mode !== 'differential' || set.mode === 'full'),
  );
  const [newest] = candidates;
  if (newest === undefined) return { id: undefined, note: undefined };
  const bases = new Map(sets.map(({ id, base_id: base }) => [id, base]));
  const lacking = await Promise.all(pools.map((pool) => setsNotWhollyIn(db, sources, pool)));
  const isIn = (id: string, lacks: ReadonlySet<string>) => {
    for (let one: string | null | undefined = id; one != null; one = bases.get(one))
      if (lacks.has(one)) return false;
    return true;
  };
  const poolText = `${pools.length === 1 ? 'pool' : 'pools'} ${pools.join(' and ')}`;
  const inAll = candidates.find(({ id }) => lacking.every((lacks) => isIn(id, lacks)));
  if (inAll !== undefined) {
    const note = `Set ${newest.id} is newer, but it or a set that it builds on is not wholly in ${poolText}.`;
    return { id: inAll.id, note: inAll === newest ? undefined : note };
  }
  const inOne = candidates.find(({ id }) => lacking.some((lacks) => isIn(id, lacks)));
  if (inOne !== undefined) {
    const without = pools.filter((_pool, at) => !isIn(inOne.id, lacking[at] ?? new Set()));
    const note = `The tapes of pool ${without.join(' or ')} alone cannot restore it: set ${inOne.id}, on which it builds, is not wholly there.`;
    return { id: inOne.id, note };
  }
  return {
    id: undefined,
    note: `Set ${newest.id} cannot be its base, since it or a set that it builds on is not wholly in ${poolText}.`,
  };
}

/**
 * Ids of the sets of these sources of which an archive is on tapes of other pools only. One that is on no tape at all is not
 * counted: its files are stored again.
 */
async function setsNotWhollyIn(db: Catalog, sources: string, pool: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('copies')
    .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
    .select(['copies.set_id'])
    .where('copies.state', '=', 'committed')
    .where('copies.set_id', 'in', (eb) =>
      eb.selectFrom('sets').select('sets.id').where('sources', '=', sources),
    )
    .groupBy(['copies.set_id', 'copies.group_no'])
    .having((eb) => eb.fn.sum(eb.case().when('tapes.pool', '=', pool).then(1).else(0).end()), '=', 0)
    .execute();
  return new Set(rows.map((row) => row.set_id));
}
