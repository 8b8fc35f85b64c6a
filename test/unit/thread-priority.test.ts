import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { lowerThreadPriority, lowerPoolPriority } from '../../workers/processes/thread-priority.js';

const linux = process.platform === 'linux';

function priorities(): Map<number, number> {
  const threads = readdirSync('/proc/self/task').map(Number);
  return new Map(threads.map((thread) => [thread, os.getPriority(thread)]));
}

test(
  'the threads that compress and pack give way to the main thread',
  { skip: linux ? false : 'threads have a niceness of their own on Linux only' },
  async () => {
    const own = os.getPriority();
    const lowest = Math.min(19, own + 5);
    await lowerPoolPriority();
    const before = priorities();
    assert.equal(before.get(process.pid), own);
    // libuv's pool has four threads, or as many as it was told to have.
    const lowered = [...before.values()].filter((niceness) => niceness === lowest);
    assert.ok(lowered.length >= Number(process.env['UV_THREADPOOL_SIZE'] ?? 4), String(lowered.length));

    lowerThreadPriority();
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
    await once(worker, 'online');
    const begun = [...priorities()].filter(([thread]) => !before.has(thread));
    await worker.terminate();
    assert.deepEqual(
      begun.map(([, niceness]) => niceness).filter((niceness) => niceness !== lowest),
      [],
    );
    assert.notEqual(begun.length, 0);
    assert.equal(os.getPriority(process.pid), own);
  },
);
