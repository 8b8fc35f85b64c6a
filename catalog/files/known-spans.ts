import type { Catalog } from '../open-catalog.js';
import { lastBegun } from './last-begun.js';
import type { TreePart } from './layers.js';

/** Names from the first to the last, both among them. */
interface Span {
  first: Uint8Array;
  last: Uint8Array;
}

/**
 * Under which names the rows of lower layers count. Of a set that was read from tapes, only a group that was read tells
 * what is as in its base: under the names of another group nothing is known to be.
 */
export class KnownSpans {
  private constructor(
    /** For each layer, ascending and apart; undefined: all names. */
    private readonly spans: readonly (readonly Span[] | undefined)[],
  ) {}

  static async of(db: Catalog, parts: readonly TreePart[]): Promise<KnownSpans> {
    const all: (readonly Span[] | undefined)[] = [];
    let spans: readonly Span[] | undefined;
    for (const { setId, gated } of parts) {
      all.push(spans);
      if (gated) spans = inBoth(spans, await spansOf(db, setId));
    }
    return new KnownSpans(all);
  }

  /** True when the row that a layer has of a path counts. */
  has(layer: number, path: Uint8Array): boolean {
    const spans = this.spans[layer];
    if (spans === undefined) return true;
    const span = lastBegun(spans, ({ first }) => first, path);
    return (
      span !== undefined && Buffer.compare(path, span.first) >= 0 && Buffer.compare(path, span.last) <= 0
    );
  }
}

async function spansOf(db: Catalog, setId: string): Promise<Span[]> {
  return db
    .selectFrom('groups')
    .select(['first_path as first', 'last_path as last'])
    .where('set_id', '=', setId)
    .where('on_base', '=', 1)
    .orderBy('first_path')
    .execute();
}

function inBoth(some: readonly Span[] | undefined, others: readonly Span[]): readonly Span[] {
  if (some === undefined) return others;
  const both: Span[] = [];
  let [at, other] = [0, 0];
  for (let [a, b] = [some[0], others[0]]; a !== undefined && b !== undefined;) {
    const first = Buffer.compare(a.first, b.first) < 0 ? b.first : a.first;
    const endsFirst = Buffer.compare(a.last, b.last) <= 0;
    const last = endsFirst ? a.last : b.last;
    if (Buffer.compare(first, last) <= 0) both.push({ first, last });
    if (endsFirst) a = some[(at += 1)];
    else b = others[(other += 1)];
  }
  return both;
}
