import type { Catalog } from '../open-catalog.js';
import { decodePlace, placeDigits, placesPerRow } from '../schema/places.js';

/** The places of a folded set, in the order of the root's rows. */
export class Places {
  private row: Uint8Array = new Uint8Array();
  /** The number of the root's row that the first place of `row` is of, as `at` counts them. */
  private begins = 0;

  constructor(
    private readonly db: Catalog,
    private readonly folded: number,
    private readonly root: number,
  ) {}

  /**
   * The place of a row of the root; 0: the set does not have it. A promise only when another row of `offsets` has to be
   * read: not before the row of the root is at hand, since while the set is folded its own rows go as these come.
   *
   * @param no the number of that row, counted in order from any one.
   */
  at(no: number, path: Uint8Array): number | Promise<number> {
    const isKnown = no >= this.begins && (no - this.begins) * placeDigits < this.row.length;
    return isKnown ? decodePlace(this.row, no - this.begins) : this.load(no, path);
  }

  private async load(no: number, path: Uint8Array): Promise<number> {
    const { folded, root } = this;
    const found = await this.db
      .selectFrom('offsets')
      .select('places')
      .select((eb) =>
        eb
          .selectFrom(({ selectFrom, lit }) =>
            selectFrom('entries')
              .select(lit(1).as('one'))
              .where('entries.layer', '=', root)
              .whereRef('entries.path', '>=', 'offsets.first')
              .where('entries.path', '<', path)
              // More than that has no row.
              .limit(placesPerRow)
              .as('known'),
          )
          .select(eb.fn.countAll<number>().as('count'))
          .as('before'),
      )
      .where('layer', '=', folded)
      .where('first', '<=', path)
      .orderBy('first', 'desc')
      .limit(1)
      .executeTakeFirst();
    const before = Number(found?.before ?? 0);
    if (found === undefined || before * placeDigits >= found.places.length) return 0;
    this.row = found.places;
    this.begins = no - before;
    return decodePlace(found.places, before);
  }
}
