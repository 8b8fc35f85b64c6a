import type { LayerRow } from './layer-rows.js';

/** The rows of a layer, one after the other. */
class Stream {
  private page: LayerRow[] = [];
  private place = 0;
  /** Rows of the pages before. */
  private before = 0;

  constructor(
    private readonly pages: AsyncGenerator<LayerRow[]>,
    readonly at: number,
  ) {}

  get row(): LayerRow | undefined {
    return this.page[this.place];
  }

  /** The number of the row, from 0. */
  get no(): number {
    return this.before + this.place;
  }

  /** Goes to the next row; false: a page has to be loaded. */
  pass(): boolean {
    this.place += 1;
    return this.place < this.page.length;
  }

  async load(): Promise<void> {
    const next = await this.pages.next();
    this.before += this.page.length;
    this.page = next.done === true ? [] : next.value;
    this.place = 0;
  }
}

/** The rows of several layers in the order of their paths, of each path that of the first layer that has it. */
export class Merge {
  /** Those that have a row, by its path and their place. */
  private readonly streams: Stream[] = [];

  static async of(layers: AsyncGenerator<LayerRow[]>[]): Promise<Merge> {
    const merge = new Merge();
    for (const [at, pages] of layers.entries()) {
      const stream = new Stream(pages, at);
      await stream.load();
      merge.enter(stream);
    }
    return merge;
  }

  /** The next row, its number in its layer, and the place of that; undefined: there is none. */
  get head(): { row: LayerRow; no: number; at: number } | undefined {
    const [stream] = this.streams;
    return stream?.row === undefined ? undefined : { row: stream.row, no: stream.no, at: stream.at };
  }

  /** Goes on behind the path of the next row. Returns a promise only when a page has to be loaded. */
  pass(): Promise<void> | undefined {
    const [first, second] = this.streams;
    if (first?.row === undefined) return undefined;
    const { path } = first.row;
    const unloaded: Stream[] = [];
    if (second?.row === undefined || Buffer.compare(path, second.row.path) < 0) {
      this.streams.shift();
      if (first.pass()) this.enter(first);
      else unloaded.push(first);
    } else {
      const same = this.streams.filter(
        ({ row }) => row !== undefined && Buffer.compare(row.path, path) === 0,
      );
      this.streams.splice(0, same.length);
      for (const stream of same)
        if (stream.pass()) this.enter(stream);
        else unloaded.push(stream);
    }
    return unloaded.length === 0 ? undefined : this.load(unloaded);
  }

  private async load(streams: readonly Stream[]): Promise<void> {
    for (const stream of streams) {
      await stream.load();
      this.enter(stream);
    }
  }

  /** Puts a stream where its row belongs; one that has ended is left out. */
  private enter(stream: Stream): void {
    const { row, at } = stream;
    if (row === undefined) return;
    let place = 0;
    for (; place < this.streams.length; place += 1) {
      const other = this.streams[place];
      const order = other?.row === undefined ? 1 : Buffer.compare(row.path, other.row.path);
      if (order < 0 || (order === 0 && at < (other?.at ?? 0))) break;
    }
    this.streams.splice(place, 0, stream);
  }
}
