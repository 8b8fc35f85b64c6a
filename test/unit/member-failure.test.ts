import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { getSystemErrorName } from 'node:util';
import { lacksLinks } from '../../archive/unpack/finish-tree.js';
import { failureOf } from '../../archive/unpack/member-failure.js';
import { withSide } from '../../config/sides.js';

test('a kind of entry that the target does not have costs that entry alone, whichever way the target says so', () => {
  for (const number of [os.constants.errno.ENOSYS, os.constants.errno.EOPNOTSUPP]) {
    const code = getSystemErrorName(-number);
    const error = withSide('target', Object.assign(new Error(`${code}: symlink`), { code }));
    const { outcome, reason } = failureOf('link', error, '/archive', () => assert.fail('the disk works'));
    assert.equal(outcome, 'failed');
    assert.equal(reason, `the file system of the target has no entries of this kind (${code})`);
    assert.ok(lacksLinks(error), code);
  }
});
