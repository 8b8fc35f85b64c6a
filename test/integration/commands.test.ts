import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cancel } from '../../client/commands/set/cancel.js';
import { resume } from '../../client/commands/set/resume.js';
import { retry } from '../../client/commands/set/retry.js';
import type { Session } from '../../client/session.js';
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

test('a set that ends while a command finds its server is not begun again: one is cancelled, one completes', async () => {
  /** Runs a command, and something else between its first look at the set and the server. */
  const between = (run: (session: Session) => Promise<void>, meanwhile: () => Promise<unknown>) =>
    live().command(async (session) => {
      let looks = 0;
      const catalog = async () => {
        looks += 1;
        if (looks === 2) await meanwhile();
        return session.catalog();
      };
      await run({ ...session, catalog });
    });
  live().hold('compressGroup');
  const [cancelled, completed] = [await live().begin(1), await live().begin(1)];
  await live().held('compressGroup', 2);
  const resumed = await between(
    (session) => resume(session, cancelled, true),
    () => live().command((session) => cancel(session, cancelled, false)),
  );
  live().letGo();
  const retried = await between(
    (session) => retry(session, completed, true),
    () => live().comesTo(completed, 'completed'),
  );
  assert.deepEqual(resumed, { said: `The set ${cancelled} has ended: it is cancelled.`, failed: true });
  assert.match(retried.said, /has no failed groups: it is completed/);
  assert.equal((await live().set(cancelled)).state, 'cancelled');
  assert.equal((await live().set(completed)).state, 'completed');
});
