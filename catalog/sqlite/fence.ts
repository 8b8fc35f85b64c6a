import { AsyncLocalStorage } from 'node:async_hooks';
import type { KyselyPlugin } from 'kysely';

const checks = new AsyncLocalStorage<() => void>();

/**
 * Runs work so that every catalog query it makes first calls `check`: once that throws, the work can no longer read or
 * change the catalog. For work that cannot be stopped because it hangs in a system call.
 */
export function fenced<Result>(check: () => void, work: () => Promise<Result>): Promise<Result> {
  return checks.run(check, work);
}

/** Asks a check before each query. */
export function fencedBy(check: () => void): KyselyPlugin {
  return {
    transformQuery({ node }) {
      check();
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
}

/** Calls the check of the work that makes a query. */
export const fence = fencedBy(() => checks.getStore()?.());
