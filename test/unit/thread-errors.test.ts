import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SideError, sideOf } from '../../config/sides.js';
import { fromErrorData, toErrorData } from '../../config/thread-errors.js';

/** What arrives in the other thread. */
const sent = (error: unknown) => fromErrorData(structuredClone(toErrorData(error)));

test('an error keeps its side, code and path on its way between threads', () => {
  const full = new SideError('staging', { code: 'ENOSPC', message: 'no space left', path: '/staging/x' });
  const there = sent(full);
  assert.ok(there instanceof SideError);
  assert.deepEqual([sideOf(there), there.code, there.path], ['staging', 'ENOSPC', '/staging/x']);
  assert.equal(there.message, 'no space left');
});

test('an error without a side keeps what it has, and gets nothing that it has not', () => {
  const system = Object.assign(new Error('not permitted'), { code: 'EPERM', syscall: 'open' });
  const there = sent(system);
  assert.equal(sideOf(there), undefined);
  assert.equal(there.stack, system.stack);
  const { code, syscall } = there as NodeJS.ErrnoException;
  assert.deepEqual([code, syscall, 'path' in there], ['EPERM', 'open', false]);
});
