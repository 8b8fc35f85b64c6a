import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWithRetries, type Hole } from '../../disk/read-with-retries.js';

const kib = 1024;

/** A file that cannot be read where the holes are, and what is read of it. */
function badFile(size: number, holes: readonly Hole[], { times = Infinity, code = 'EIO' } = {}) {
  const content = Buffer.alloc(size, 'content');
  let failures = 0;
  const read = (into: Buffer, position: number) => {
    const end = Math.min(position + into.length, size);
    const isBad = holes.some(({ from, to }) => from < end && to > position);
    if (isBad && failures < times) {
      failures += 1;
      throw Object.assign(new Error('bad'), { code });
    }
    return position < end ? content.copy(into, 0, position, end) : 0;
  };
  return { content, read, failures: () => failures };
}

/** Reads all of a part, and checks every byte outside of the holes that were found. */
async function holesFound(file: ReturnType<typeof badFile>, from: number, length: number): Promise<Hole[]> {
  const into = Buffer.alloc(length);
  const { bytes, holes } = await readWithRetries(file.read, into, from);
  const expected = Buffer.from(file.content.subarray(from, from + length));
  for (const hole of holes) expected.fill(0, hole.from, hole.to);
  assert.equal(bytes, expected.length);
  assert.ok(into.subarray(0, bytes).equals(expected));
  return holes;
}

test('of a medium with bad places exactly those are lost, whatever is asked for around them', async () => {
  const one = { from: 500 * kib, to: 504 * kib };
  assert.deepEqual(await holesFound(badFile(1024 * kib, [one]), 0, 1024 * kib), [one]);
  const moved = await holesFound(badFile(1024 * kib, [one]), 100_001, 900 * kib);
  assert.deepEqual(
    moved,
    [{ from: one.from - 100_001, to: one.to - 100_001 }],
    'pages are those of the file',
  );
  const three = [8, 300, 900].map((at) => ({ from: at * kib, to: (at + 4) * kib }));
  assert.deepEqual(await holesFound(badFile(1024 * kib, three), 0, 1024 * kib), three);
  const last = { from: 1020 * kib, to: 1024 * kib };
  assert.deepEqual(await holesFound(badFile(1024 * kib, [last]), 512 * kib, 2048 * kib), [
    { from: last.from - 512 * kib, to: last.to - 512 * kib },
  ]);
});

test('a read that fails a few times and then succeeds costs nothing', async () => {
  const file = badFile(100 * kib, [{ from: 0, to: 100 * kib }], { times: 2 });
  assert.deepEqual(await holesFound(file, 0, 100 * kib), []);
  assert.equal(file.failures(), 2);
});

test('a long bad stretch is given up after a bounded number of reads, and what is good of it is kept', async () => {
  const bad = { from: 256 * kib, to: 768 * kib };
  const file = badFile(1024 * kib, [bad]);
  const holes = await holesFound(file, 0, 1024 * kib);
  assert.deepEqual(holes, [bad]);
  assert.ok(file.failures() < 100, `${file.failures()} reads failed`);
});

test('where half of the bytes are of no use, the first hole is enough', async () => {
  const file = badFile(1024 * kib, [{ from: 0, to: 1024 * kib }]);
  const { holes } = await readWithRetries(file.read, Buffer.alloc(1024 * kib), 0, { tear: true });
  assert.equal(holes.length, 1);
  assert.ok(file.failures() < 300);
});

test('an error that is not of the medium is told at once, and as it is', async () => {
  const file = badFile(100 * kib, [{ from: 0, to: 4 * kib }], { code: 'ENOTCONN' });
  await assert.rejects(
    () => readWithRetries(file.read, Buffer.alloc(100 * kib), 0),
    (error) => (error as NodeJS.ErrnoException).code === 'ENOTCONN',
  );
  assert.equal(file.failures(), 1);
});
