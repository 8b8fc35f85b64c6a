import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openCodec } from '../../archive/blocks/block-codec.js';
import { openForward } from '../../archive/readers/open-forward.js';
import { StreamReader } from '../../archive/readers/stream-reader.js';
import type { TarSource } from '../../archive/readers/tar-source.js';
import { openDecompressor } from '../../archive/blocks/decompressor.js';
import { FormatUnsupported } from '../../entry/archive-format.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import { requireZstd } from '../../archive/blocks/zstd.js';
import { zstdFrame } from '../../archive/blocks/zstd-frame.js';
import { prose } from '../support/sample-data.js';
import { flipBit, noise, tempFolder } from '../support/trees.js';
import { nodeZstd, onPath, withoutZstd, words } from '../support/zstd-here.js';
import { noOwners } from '../../entry/owner-choice.js';

/** Everything that a source gives, to its end. */
async function allOf(source: TarSource): Promise<Buffer> {
  const parts: Buffer[] = [];
  try {
    for (let at = 0, chunk; (chunk = await source.chunkAt(at)) !== undefined;) {
      const part = chunk.data.subarray(at - chunk.start);
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts);
  } finally {
    source.close();
  }
}

test(
  'zstd files of other programs are read too: frames of any size, skippable ones, and cut ones are damage',
  {
    skip: withoutZstd !== false ? withoutZstd : !onPath('zstd') && 'there is no zstd program here',
  },
  async (t) => {
    const file = path.join(tempFolder(t), 'a.tar.zst');
    const content = Buffer.concat([words(1_000_000, 'w'), noise(300_000, 'n'), Buffer.alloc(6_000_000)]);
    const frame = (bytes: Buffer, ...flags: string[]) =>
      execFileSync('zstd', ['-q', '-c', ...flags], { input: bytes, maxBuffer: 1 << 26 });
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const files = {
      'one frame without its size': frame(content),
      'one frame without a checksum': frame(content, '--no-check'),
      'two frames and a skippable one': Buffer.concat([
        frame(content.subarray(0, 70_001)),
        skippable,
        frame(content.subarray(70_001)),
      ]),
    };
    const decompressors = [await openDecompressor('zstd', 'auto')];
    if (nodeZstd !== undefined) decompressors.push(await openDecompressor('zstd', 'zlib'));
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(file, bytes);
      assert.ok((await allOf(await openForward(file, 'zstd'))).equals(content), name);
      for (const decompressor of decompressors) {
        writeFileSync(file, bytes);
        assert.ok((await allOf(new StreamReader(file, decompressor))).equals(content), name);
        truncateSync(file, bytes.length - 300);
        const cut = allOf(new StreamReader(file, decompressor));
        await assert.rejects(cut, /cannot be read after \d+ bytes/, name);
        writeFileSync(file, bytes);
        flipBit(file, Math.floor(bytes.length / 2));
        if (!name.includes('checksum'))
          await assert.rejects(
            allOf(new StreamReader(file, decompressor)),
            /cannot be read after \d+ bytes/,
            name,
          );
      }
    }
  },
);

test(
  "a frame's length is found by its headers; other bytes, and frames without size or checksum, are none",
  {
    skip: withoutZstd,
  },
  async () => {
    const codec = await openCodec('zstd', 3, 'auto');
    for (const content of [0, 1, 255, 256, 300, 65_791, 65_792, 300_000].flatMap((bytes) => [
      noise(bytes, 'n'),
      words(bytes, 'w'),
      Buffer.alloc(bytes),
    ])) {
      const frame = Buffer.from(await codec.compress(content));
      const whole = { bytes: frame.length, contentBytes: content.length };
      assert.deepEqual(zstdFrame(Buffer.concat([frame, Buffer.from('more')])), whole);
      const cut = zstdFrame(frame.subarray(0, frame.length - 5));
      assert.ok(cut === undefined || cut.bytes > frame.length - 5, `${content.length} bytes, cut`);
    }
    assert.equal(zstdFrame(Buffer.from('no frame at all')), undefined);
    if (!onPath('zstd')) return;
    const made = (...flags: string[]) =>
      execFileSync('zstd', ['-q', '-c', ...flags], { input: 'text '.repeat(100) });
    assert.equal(zstdFrame(made()), undefined, 'its size is not known');
    assert.equal(zstdFrame(made('--no-check', '--stream-size=500')), undefined);
    assert.equal(zstdFrame(made('--stream-size=500'))?.contentBytes, 500);
  },
);

test('every byte of a small frame that is changed is noticed', { skip: withoutZstd }, async () => {
  const zstd = await requireZstd('auto');
  const decompressor = await openDecompressor('zstd', 'auto');
  const content = Buffer.from('one tape, two tapes, three tapes, four tapes '.repeat(40));
  const frame = Buffer.from(await zstd.compress(content, 3));
  for (let at = 0; at < frame.length; at += 1) {
    const forged = Buffer.from(frame);
    forged.writeUInt8(forged.readUInt8(at) ^ 0x10, at);
    const read = await decompressor.block(forged, 1 << 20, 'it').catch(() => undefined);
    // A bit of the frame's header that means nothing may be changed.
    assert.ok(read === undefined || read.equals(content), `byte ${at}`);
  }
  await assert.rejects(
    decompressor.block(frame, content.length - 1, 'it'),
    /it is damaged/,
    'larger than a block',
  );
});

test(
  "zstd's levels: each gives back every block, and a higher one makes no more",
  { skip: withoutZstd },
  async () => {
    const decompressor = await openDecompressor('zstd', 'auto');
    const block = prose(1 << 20, 'levels');
    const random = noise(100_000, 'x');
    let below = Infinity;
    for (const level of [1, 3, 9, 19]) {
      const codec = await openCodec('zstd', level, 'auto');
      const outputs = await Promise.all([block, random, Buffer.alloc(0)].map((one) => codec.compress(one)));
      assert.ok((outputs[0]?.length ?? 0) <= below);
      below = outputs[0]?.length ?? 0;
      const back = await Promise.all(outputs.map((output) => decompressor.block(output, 1 << 20, 'it')));
      assert.ok(back[0]?.equals(block) && back[1]?.equals(random) && back[2]?.length === 0);
      for (const output of outputs) codec.recycle(output);
    }
  },
);

test(
  "the addon's zstd and Node's read each other's frames",
  {
    skip: withoutZstd !== false ? withoutZstd : nodeZstd === undefined && 'this Node has no zstd',
  },
  async () => {
    const content = words(1 << 20, 'w');
    for (const [from, to] of [
      ['auto', 'zlib'],
      ['zlib', 'auto'],
    ] as const) {
      const frame = Buffer.from(await (await requireZstd(from)).compress(content, 3));
      assert.equal(zstdFrame(frame)?.contentBytes, content.length, from);
      assert.ok((await (await openDecompressor('zstd', to)).block(frame, 1 << 20, 'it')).equals(content));
      frame.writeUInt8(frame.readUInt8(frame.length - 1) ^ 1, frame.length - 1);
      await assert.rejects((await openDecompressor('zstd', to)).block(frame, 1 << 20, 'it'), /damaged/);
    }
  },
);

test(
  'where there is no zstd, an archive with it is neither made nor read, and a sentence says what it needs',
  {
    skip: nodeZstd !== undefined && 'this Node has zstd itself',
  },
  async (t) => {
    const needs = /zstd is not there: it needs Node 22\.15 or newer/;
    await assert.rejects(
      openCodec('zstd', 3, 'zlib'),
      (error) => error instanceof FormatUnsupported && needs.test(error.message),
    );
    const archive = path.join(tempFolder(t), 'a.tar.zst');
    writeFileSync(archive, '');
    const options = {
      archivePath: archive,
      format: 'zstd',
      codec: 'zlib',
      index: undefined,
      target: null,
    } as const;
    const more = {
      overwrite: 'never',
      owners: noOwners,
      own: {},
      job: { name: 'j', token: 't' },
      inFlight: 1,
    } as const;
    await assert.rejects(
      Unpacker.open({ ...options, ...more }, () => false),
      needs,
    );
  },
);
