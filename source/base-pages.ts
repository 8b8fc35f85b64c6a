import type { ComparedRow } from '../catalog/sets/compared-layer.js';

/** A page of rows as it is sent between threads: the numbers of each row one after the other, and what is none. */
export interface PackedPage {
  numbers: Float64Array<ArrayBuffer>;
  /** Member names, with NUL between them, which is in no path. */
  names: string;
  /** By the place of the row, the few inode numbers that are not exact as a number. */
  largeInos: Map<number, string>;
}

/** Numbers of a row in a page; NaN stands for null. */
const fields = 15;

const orNaN = (value: number | null) => value ?? NaN;
const orNull = (value: number) => (Number.isNaN(value) ? null : value);

/** Packs rows so that they cross threads in a tenth of the time that copies of the objects take. */
export function packPage(rows: readonly ComparedRow[]): PackedPage {
  const numbers = new Float64Array(rows.length * fields);
  const largeInos = new Map<number, string>();
  for (const [place, row] of rows.entries()) {
    const of = place * fields;
    numbers[of] = row.size;
    numbers[of + 1] = row.mtime_s;
    numbers[of + 2] = row.mtime_ns;
    numbers[of + 3] = row.ctime_s;
    numbers[of + 4] = row.ctime_ns;
    numbers[of + 5] = row.mode;
    numbers[of + 6] = row.uid;
    numbers[of + 7] = row.gid;
    numbers[of + 8] = row.nlink;
    numbers[of + 9] = orNaN(row.ino);
    numbers[of + 10] = row.group_no;
    numbers[of + 11] = orNaN(row.held_layer);
    numbers[of + 12] = orNaN(row.held_group);
    numbers[of + 13] = row.part;
    numbers[of + 14] = row.builds;
    if (row.large_ino !== null) largeInos.set(place, row.large_ino);
  }
  return { numbers, names: rows.map(({ name }) => name).join('\0'), largeInos };
}

/** The rows of a packed page. */
export function unpackPage({ numbers, names, largeInos }: PackedPage): ComparedRow[] {
  const number = (at: number) => numbers[at] ?? 0;
  return names.split('\0').map((name, place): ComparedRow => {
    const of = place * fields;
    return {
      name,
      size: number(of),
      mtime_s: number(of + 1),
      mtime_ns: number(of + 2),
      ctime_s: number(of + 3),
      ctime_ns: number(of + 4),
      mode: number(of + 5),
      uid: number(of + 6),
      gid: number(of + 7),
      nlink: number(of + 8),
      ino: orNull(number(of + 9)),
      large_ino: largeInos.size === 0 ? null : (largeInos.get(place) ?? null),
      group_no: number(of + 10),
      held_layer: orNull(number(of + 11)),
      held_group: orNull(number(of + 12)),
      part: number(of + 13),
      builds: number(of + 14),
    };
  });
}
