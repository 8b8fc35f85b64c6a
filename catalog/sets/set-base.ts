import { english } from '../../messages/sentence.js';
import type { Catalog } from '../open-catalog.js';
import type { SetRow } from '../rows.js';
import { isOfHost } from './set-host.js';

/** What a new set builds on. */
export interface SetBase {
  /** Undefined: there is none, or the set is to be a full one. */
  id: string | undefined;
  /** A sentence for the user when it is not the newest candidate, or cannot be restored from each pool alone. */
  note: string | undefined;
}

/**
 * The base for a new set of these sources: for an incremental set the newest completed set of which nothing was erased,
 * for a differential set the newest full one of those. The base and its chain must be in every pool of the new set, so
 * that the tapes of each pool can restore it; if no set qualifies, in one of the pools. It is encrypted as the new set
 * is.
 */
export async function baseFor(
  db: Catalog,
  mode: string,
  { sources, host, recipients = null }: Pick<SetRow, 'sources' | 'host'> & { recipients?: string | null },
  pools: readonly string[],
): Promise<SetBase> {
  if (mode === 'full') return { id: undefined, note: undefined };
  const sets = await db
    .selectFrom('sets')
    .select(['id', 'base_id', 'mode', 'state', 'erased_at', 'recipients'])
    .where('sources', '=', sources)
    .where(isOfHost(host))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  const complete = sets.filter(
    (set) =>
      (set.state === 'completed' || set.state === 'completed_with_skips') &&
      set.erased_at === null &&
      (mode !== 'differential' || set.mode === 'full'),
  );
  const candidates = complete.filter((set) => isReadBySame(set, recipients));
  const [newest] = candidates;
  if (newest === undefined) return { id: undefined, note: otherwiseEncrypted(complete[0], recipients) };
  const bases = new Map(sets.map(({ id, base_id: base }) => [id, base]));
  const chains = pools.map((pool) => new WholeChains(db, bases, pool));
  // A pool that lacked one set is asked first for the next: if it has none of them, the other pools need not be read.
  let asked = chains;
  const inAll = await first(candidates, async ({ id }) => {
    for (const chain of asked) {
      if (await chain.has(id)) continue;
      asked = [chain, ...asked.filter((other) => other !== chain)];
      return false;
    }
    return true;
  });
  const poolText = `${pools.length === 1 ? 'pool' : 'pools'} ${pools.join(' and ')}`;
  if (inAll !== undefined) {
    const note = english`Set ${newest.id} is newer, but it or a set that it builds on is not wholly in
 ${poolText}.`;
    return { id: inAll.id, note: inAll === newest ? undefined : note };
  }
  const inOne = await first(candidates, async ({ id }) => {
    for (const chain of chains) if (await chain.has(id)) return true;
    return false;
  });
  if (inOne !== undefined) {
    const without: string[] = [];
    for (const chain of chains) if (!(await chain.has(inOne.id))) without.push(chain.pool);
    const note = english`The tapes of pool ${without.join(' or ')} alone cannot restore it:
        set ${inOne.id}, on which it builds, is not wholly there.`;
    return { id: inOne.id, note };
  }
  return {
    id: undefined,
    note: english`Set ${newest.id} cannot be its base, since it or a set that it builds on is not wholly
 in ${poolText}.`,
  };
}

/**
 * True when whoever can read a new set can read a base, too: neither is encrypted, or the base to all the new set's
 * recipients. A chain is of one kind: a set that is not encrypted would tell what is in the base, and one that is would
 * rest on what everybody can read.
 */
function isReadBySame(base: Pick<SetRow, 'recipients'>, recipients: string | null): boolean {
  if (recipients === null || base.recipients === null) return recipients === base.recipients;
  const has = new Set(JSON.parse(base.recipients) as string[]);
  return (JSON.parse(recipients) as string[]).every((one) => has.has(one));
}

/** Why a complete set is no base for one that is encrypted in another way. */
function otherwiseEncrypted(
  newest: Pick<SetRow, 'id' | 'recipients'> | undefined,
  recipients: string | null,
): string | undefined {
  if (newest === undefined) return undefined;
  if (newest.recipients === null)
    return english`Set ${newest.id} cannot be its base, since it is not encrypted.`;
  return recipients === null
    ? english`Set ${newest.id} cannot be its base, since it is encrypted.`
    : english`Set ${newest.id} cannot be its base, since it is encrypted to other recipients.`;
}

/** The first set for which a condition is true; later ones are not checked. */
async function first<T>(sets: readonly T[], isTrue: (set: T) => Promise<boolean>): Promise<T | undefined> {
  for (const set of sets) if (await isTrue(set)) return set;
  return undefined;
}

/**
 * Tells which sets are completely in a pool, with their chains. Reads the copies of each set and its bases only once;
 * older sets cost nothing.
 */
class WholeChains {
  private readonly known = new Map<string, boolean>();

  /** @param bases what each set builds on. */
  constructor(
    private readonly db: Catalog,
    private readonly bases: ReadonlyMap<string, string | null>,
    readonly pool: string,
  ) {}

  async has(id: string): Promise<boolean> {
    const asked: string[] = [];
    let is = true;
    for (let one: string | null | undefined = id; one != null; one = this.bases.get(one)) {
      const known = this.known.get(one);
      is = known ?? (await this.isWhole(one));
      asked.push(one);
      if (known !== undefined || !is) break;
    }
    for (const one of asked) this.known.set(one, is);
    return is;
  }

  /**
   * False when an archive of a set is only on tapes of other pools. Archives on no tape at all are ignored: their files
   * are stored again.
   */
  private async isWhole(setId: string): Promise<boolean> {
    const lacking = await this.db
      .selectFrom('copies')
      .innerJoin('tapes', 'tapes.uuid', 'copies.tape_uuid')
      .select('copies.group_no')
      .where('copies.set_id', '=', setId)
      .where('copies.state', '=', 'committed')
      .groupBy('copies.group_no')
      .having(
        (eb) => eb.fn.sum(eb.case().when('tapes.pool', '=', this.pool).then(eb.lit(1)).else(eb.lit(0)).end()),
        '=',
        0,
      )
      .limit(1)
      .executeTakeFirst();
    return lacking === undefined;
  }
}
