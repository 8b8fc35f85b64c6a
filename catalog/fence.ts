import { AsyncLocalStorage } from 'node:async_hooks';
import type { KyselyPlugin } from 'kysely';

const checks = new AsyncLocalStorage<() => void>();

/**
 * Runs work of which every query of the catalog, wherever it is made, first asks `check`: once that throws, the work
 * reads and changes nothing of the catalog any more. For work that nobody can end, since it hangs in a call of the
 * system.
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

/** Asks the check of the work that makes a query. */
export const fence = fencedBy(() => checks.getStore()?.());
