/** Whether a thread goes on, ends when it comes to it, or has been given up and may change nothing any more. */
export type ThreadOrder = 'go on' | 'stop' | 'given up';

const orders: readonly ThreadOrder[] = ['go on', 'stop', 'given up'];
const sides = [undefined, 'source', 'output'] as const;

/** What a thread asks now, and the number of what it reads there. */
export interface ThreadAsks {
  side: 'source' | 'output';
  number: number;
}

const cells = { order: 0, side: 1, number: 2, moves: 3 };

/**
 * What a thread is about, in memory that it shares with whoever waits for it: a call into a file system that does not
 * answer never returns, and so the thread itself can tell nobody.
 */
export class ThreadWatch {
  private readonly cells: Int32Array;

  constructor(readonly shared = new SharedArrayBuffer(Object.keys(cells).length * 4)) {
    this.cells = new Int32Array(shared);
  }

  get order(): ThreadOrder {
    return orders[Atomics.load(this.cells, cells.order)] ?? 'stop';
  }

  /** Tells the thread; an order is never taken back, nor made weaker. */
  tell(order: ThreadOrder): void {
    const at = Atomics.load(this.cells, cells.order);
    Atomics.store(this.cells, cells.order, Math.max(at, orders.indexOf(order)));
  }

  /** Whom the thread asks; undefined while it asks nobody, or waits for something that it can give up. */
  asks(): ThreadAsks | undefined {
    const side = sides[Atomics.load(this.cells, cells.side)];
    return side === undefined ? undefined : { side, number: Atomics.load(this.cells, cells.number) };
  }

  /** Changes whenever the thread goes on. */
  get moves(): number {
    return Atomics.load(this.cells, cells.moves);
  }

  /** For the thread: it has gone on. */
  moved(): void {
    Atomics.add(this.cells, cells.moves, 1);
  }

  /** For the thread: from now on it reads what has this number. */
  reads(number: number): void {
    Atomics.store(this.cells, cells.number, number);
    this.turnTo(1);
  }

  /** For the thread: it asks nobody any more. */
  rests(): void {
    this.turnTo(0);
  }

  /** For the thread: a call that writes. */
  writing<Result>(call: () => Result): Result {
    const before = this.turnTo(2);
    try {
      return call();
    } finally {
      this.turnTo(before);
    }
  }

  /** For the thread: waits for something that is no answer of a source. */
  async resting<Result>(wait: Promise<Result>): Promise<Result> {
    const before = this.turnTo(0);
    try {
      return await wait;
    } finally {
      this.turnTo(before);
    }
  }

  private turnTo(side: number): number {
    this.moved();
    return Atomics.exchange(this.cells, cells.side, side);
  }
}
