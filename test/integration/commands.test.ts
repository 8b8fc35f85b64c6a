import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, states } from '../support/command-table.js';
import { liveSetsOfFile } from '../support/live-sets.js';
import { longTest } from '../support/trees.js';

const live = liveSetsOfFile();

/** Rows that take long, or that are much like another one. */
const long = [
  ...['syncing', 'draining for its next run', 'writing', 'paused', 'failed'],
  ...['running', 'short of staging', 'cancelled', 'scanning', 'finishing', 'completed'],
];

for (const state of Object.keys(states)) {
  for (const copies of [1, 2] as const) {
    const isLong = copies === 2 || long.includes(state);
    const skip = isLong && longTest;
    const sets = copies === 1 ? 'a set' : 'a set of two copies';
    test(
      `${state}: every command does to ${sets} what it says, and the set comes to its end`,
      { skip },
      async () => {
        const cells = await cellsOf(live(), state, copies);
        assert.deepEqual(
          cells.filter(({ problems }) => problems.length > 0),
          [],
        );
      },
    );
  }
}
