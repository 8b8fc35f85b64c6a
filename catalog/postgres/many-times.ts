import type { Connection, Submittable } from 'pg';

/** What the connection's methods take: its declared types still have a second argument, of former versions. */
interface Wire {
  stream: Connection['stream'];
  parse(statement: { text: string; name: string; types: number[] }): void;
  bind(bound: { values: readonly unknown[]; valueMapper: (value: unknown) => unknown }): void;
  execute(): void;
  sync(): void;
}

/**
 * One statement for several rows of parameters, in one round trip: the server parses it once, and is sent all rows
 * without waiting for its answers in between. Costs as little as `unnest`, for any statement.
 */
export class ManyTimes implements Submittable {
  /** Called by the client with the first error, or at the end. */
  callback: ((error: Error | null) => void) | undefined;

  constructor(
    private readonly text: string,
    private readonly rows: readonly (readonly unknown[])[],
    private readonly mapper: (value: unknown) => unknown,
  ) {}

  submit(connection: Connection): void {
    const wire = connection as unknown as Wire;
    wire.stream.cork();
    try {
      wire.parse({ text: this.text, name: '', types: [] });
      for (const values of this.rows) {
        wire.bind({ values, valueMapper: this.mapper });
        wire.execute();
      }
    } finally {
      wire.sync();
      wire.stream.uncork();
    }
  }

  handleError(error: Error): void {
    this.end(error);
  }

  handleReadyForQuery(): void {
    this.end(null);
  }

  // Nothing of the answers in between is wanted.
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}

  private end(error: Error | null): void {
    const { callback } = this;
    this.callback = undefined;
    callback?.(error);
  }
}
