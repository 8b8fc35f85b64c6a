import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseBuffer, acquireBuffer } from '../../archive/blocks/buffer-pool.js';
import { BlockWriter } from '../../archive/blocks/block-writer.js';
import { openCodec } from '../../archive/blocks/block-codec.js';

const mebibyte = 1024 * 1024;

test('memory that was given back serves the next who wants so much, and only one of them', () => {
  const memory = acquireBuffer(1000);
  releaseBuffer(memory);
  assert.notEqual(acquireBuffer(1001), memory);
  assert.equal(acquireBuffer(1000), memory);
  assert.notEqual(acquireBuffer(1000), memory);
});

test('at most 64 MiB are kept, and those that were used last', () => {
  const taken = Array.from({ length: 80 }, () => acquireBuffer(mebibyte));
  taken.forEach(releaseBuffer);
  const again = Array.from({ length: 80 }, () => acquireBuffer(mebibyte));
  assert.deepEqual(
    again.map((memory) => taken.indexOf(memory)).filter((at) => at >= 0),
    Array.from({ length: 64 }, (_, i) => 79 - i),
  );
});

test('a writer whose output fails gives each of its blocks back once', async () => {
  const codec = await openCodec('none', 0, 'auto');
  const write = () => {
    throw new Error('the disk is full');
  };
  const writer = new BlockWriter({ codec, inFlight: 2, write });
  await assert.rejects(writer.write(Buffer.alloc(8 * mebibyte)), /the disk is full/);
  await writer.abandon();
  await writer.abandon();
  const blocks = Array.from({ length: 80 }, () => acquireBuffer(codec.blockBytes));
  assert.equal(new Set(blocks).size, blocks.length);
});
