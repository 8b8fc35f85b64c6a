import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OtherUser, userCases } from '../support/other-user.js';

test('another user of the machine reads, writes, replaces and holds up nothing, also where a restore goes into a folder of theirs', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to be another user');
  const user = await OtherUser.open(t);
  for (const { name, run } of userCases) assert.deepEqual(await run(user), [], name);
});
