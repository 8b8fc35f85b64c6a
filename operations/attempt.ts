/** One attempt of an activity, captured before any callback runs outside its context. */
export interface Attempt {
  /** Unique across all attempts of all runs, and across reruns of the body; `.part` files and catalog rows carry it. */
  token: string;
  /** Aborted when the server gives up the attempt or the worker shuts down. */
  signal: AbortSignal;
  /**
   * Throws when the attempt must stop because the server has given it up, or must have by now. Cheap: called for every
   * chunk.
   */
  throwIfCancelled(): void;
  /** Sets the details of the next heartbeat: progress for people, never read back by any step. */
  report(details: object): void;
  /**
   * Runs a catalog step and repeats it while the catalog is out of reach: for a commit after long work that would
   * otherwise start again. The step must be one transaction.
   */
  commit<Result>(step: () => Promise<Result>): Promise<Result>;
}

/** Waits some milliseconds; throws when the attempt is cancelled. */
export async function pauseFor(attempt: Attempt, ms: number): Promise<void> {
  attempt.throwIfCancelled();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      attempt.signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    attempt.signal.addEventListener('abort', done);
  });
  attempt.throwIfCancelled();
}
