import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OtherUser, localCases } from '../support/other-user.js';
import { userCases } from '../support/user-cases.js';
import { longTest } from '../support/trees.js';

test(
  'another user of the machine reads, writes, replaces and holds up nothing, also where a restore goes into a folder of theirs',
  { skip: longTest },
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root, to be another user');
    const user = await OtherUser.open(t);
    // What is tried at the server's port is tried in strangers.test.ts too, which takes less time.
    const cases = process.env['LONG_TESTS'] === '1' ? userCases : localCases;
    for (const { name, run } of cases) assert.deepEqual(await run(user), [], name);
  },
);
