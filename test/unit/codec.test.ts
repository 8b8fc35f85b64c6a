import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openCodec } from '../../archive/blocks/block-codec.js';
import { openLibdeflate } from '../../archive/blocks/native-codec.js';
import { formatBlockBytes } from '../../entry/archive-format.js';
import { projectDir } from '../../config/project-dir.js';
import { prose, records } from '../support/sample-data.js';
import { noise, tempFolder } from '../support/trees.js';

const root = projectDir;
const blockBytes = formatBlockBytes.gzip;
const libdeflate = await openLibdeflate();
const without = libdeflate === undefined ? 'libdeflate was not built here' : false;
const choices = libdeflate === undefined ? (['zlib'] as const) : (['auto', 'zlib'] as const);

/** Blocks of 1 MiB as they are met, the same everywhere. */
const realBlocks: readonly { name: string; block: Buffer }[] = [
  { name: 'prose', block: prose(blockBytes, 'one') },
  { name: 'more prose', block: prose(blockBytes, 'two') },
  { name: 'records', block: records(blockBytes, 'three') },
];

const shapes: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('a'),
  'two bytes': Buffer.from('aa'),
  'three bytes': Buffer.from('abc'),
  zeros: Buffer.alloc(blockBytes),
  'a byte less than a block': noise(blockBytes, 'less').subarray(0, blockBytes - 1),
  noise: noise(blockBytes, 'noise'),
  'noise twice, 32 KiB apart': Buffer.concat([noise(32 * 1024, 'n'), noise(32 * 1024, 'n')]),
  'letters of noise': Buffer.from(noise(blockBytes, 'hex').toString('hex')).subarray(0, blockBytes),
};

test('every codec and level gives back every shape of block', async () => {
  for (const choice of choices) {
    for (const level of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const codec = await openCodec('gzip', level, choice);
      for (const [name, block] of Object.entries(shapes)) {
        const output = await codec.compress(block);
        assert.ok(gunzipSync(output).equals(block), `${name} by ${codec.name} at level ${level}`);
        codec.recycle(output);
      }
    }
  }
});

test('a higher level makes real data no larger, and about as small as gzip does', async () => {
  const below: Partial<Record<(typeof choices)[number], number>> = {};
  for (const level of [1, 3, 6, 9]) {
    let byZlib = 0;
    for (const { block } of realBlocks) byZlib += gzipSync(block, { level, memLevel: 9 }).length;
    for (const choice of choices) {
      const codec = await openCodec('gzip', level, choice);
      let bytes = 0;
      for (const { block } of realBlocks) {
        const output = await codec.compress(block);
        bytes += output.length;
        codec.recycle(output);
      }
      assert.ok(bytes <= (below[choice] ?? bytes), `${choice}: level ${level} makes more than the one below`);
      assert.ok(bytes <= 1.02 * byZlib, `${choice}: level ${level} makes ${bytes} bytes, zlib ${byZlib}`);
      below[choice] = bytes;
    }
  }
});

test('text alone is about as small as gzip makes it', async () => {
  for (const choice of choices) {
    const codec = await openCodec('gzip', 6, choice);
    for (const { name, block } of realBlocks.filter((one) => one.name.includes('prose'))) {
      const output = await codec.compress(block);
      const ratio = output.length / gzipSync(block, { level: 6, memLevel: 9 }).length;
      assert.ok(ratio <= 1.02, `${choice}: ${name} is ${ratio} of zlib's`);
      codec.recycle(output);
    }
  }
});

test('blocks under way at once do not mix, and the same input makes the same output', async () => {
  for (const choice of choices) {
    const codec = await openCodec('gzip', 6, choice);
    const blocks = Array.from({ length: 24 }, (_, i) =>
      Buffer.concat([Buffer.from(`block ${i} `.repeat(5000)), noise(20_000, `${i}`), Buffer.alloc(i * 1000)]),
    );
    const rounds = [];
    for (let round = 0; round < 2; round += 1) {
      const outputs = await Promise.all(blocks.map((block) => codec.compress(block)));
      outputs.forEach((output, i) => assert.ok(gunzipSync(output).equals(blocks[i] ?? Buffer.alloc(0))));
      rounds.push(outputs.map((output) => Buffer.from(output)));
      for (const output of outputs) codec.recycle(output);
    }
    assert.deepEqual(rounds[0], rounds[1]);
  }
});

test('libdeflate refuses wrong levels and buffers that are too small or too large', { skip: without }, () => {
  if (libdeflate === undefined) return;
  const output = Buffer.alloc(libdeflate.outputBytes(100));
  const call = (input: unknown, out: Buffer, level: number) => () =>
    libdeflate.gzip(input as Buffer, out, level);
  const wrong = { code: 'InvalidArg' };
  assert.throws(call(Buffer.alloc(100), output.subarray(1), 6), wrong);
  assert.throws(call(Buffer.alloc(100), output, -1), wrong);
  assert.throws(call(Buffer.alloc(100), output, 13), wrong);
  assert.throws(call(Buffer.alloc(blockBytes + 1), Buffer.alloc(2 * blockBytes), 6), wrong);
  assert.throws(call('text', output, 6), wrong);
});

test('libdeflate takes one whole member apart and nothing else', { skip: without }, async () => {
  if (libdeflate === undefined) return;
  const member = gzipSync('tape after tape');
  const output = Buffer.alloc(15);
  assert.equal(await libdeflate.gunzip(member, output), 15);
  assert.equal(output.toString(), 'tape after tape');
  for (const wrong of [member.subarray(1), member.subarray(0, -1), Buffer.concat([member, member])])
    await assert.rejects(libdeflate.gunzip(wrong, output), { code: 'GenericFailure' });
  await assert.rejects(libdeflate.gunzip(member, output.subarray(1)), { code: 'GenericFailure' });
  assert.throws(() => libdeflate.gunzip(Buffer.alloc(2 * blockBytes + 1), output), { code: 'InvalidArg' });
});

test('every reader that is here takes the members of every codec', async (t) => {
  const folder = tempFolder(t);
  const content = Buffer.concat([prose(blockBytes, 'read'), noise(50_000, 'end')]);
  for (const choice of choices) {
    const codec = await openCodec('gzip', 6, choice);
    const members: Buffer[] = [];
    for (let at = 0; at < content.length; at += 300_000)
      members.push(Buffer.from(await codec.compress(content.subarray(at, at + 300_000))));
    const file = path.join(folder, `${codec.name}.gz`);
    writeFileSync(file, Buffer.concat(members));
    const python = 'import gzip,sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())';
    const readers: [string, string[]][] = [
      ['gzip', ['-dc', file]],
      ['pigz', ['-dc', file]],
      ['python3', ['-c', python, file]],
      ['7z', ['x', '-so', file]],
    ];
    for (const [command, args] of readers) {
      if (!onPath(command)) continue;
      const read = execFileSync(command, args, { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] });
      assert.ok(read.equals(content), `${command} of ${codec.name}`);
    }
  }
});

function onPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((dir) => existsSync(path.join(dir, command)));
}

/** A copy of what builds the native part, built with the environment; what it says, and notes. */
function buildIn(copy: string, env: NodeJS.ProcessEnv) {
  for (const part of ['scripts', 'native'])
    cpSync(path.join(root, part), path.join(copy, part), {
      recursive: true,
      filter: (source) => source !== path.join(root, 'native', 'target'),
    });
  const script = path.join(copy, 'scripts', 'build-native.mjs');
  const { CARGO: _, ...rest } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [script], {
    env: { ...rest, ...env },
    encoding: 'utf8',
  });
  const folder = path.join(copy, 'node_modules', '.tapeflow');
  const noted = JSON.parse(readFileSync(path.join(folder, 'native.json'), 'utf8')) as {
    reason: string | null;
  };
  return { status, stderr, reason: noted.reason, isBuilt: existsSync(path.join(folder, 'native.node')) };
}

/** A folder with a `cargo` that is a script of the shell. */
function fakeCargo(t: TestContext, lines: string): string {
  const bin = tempFolder(t);
  writeFileSync(path.join(bin, 'cargo'), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return bin;
}

const noShell = process.platform === 'win32' && 'needs a shell';

test(
  'without cargo, or where it fails, the set-up says why in one line and succeeds',
  { skip: noShell },
  (t) => {
    const failing = fakeCargo(t, 'echo "   Compiling x" >&2; echo "error: no linker: cc." >&2; exit 101');
    const bad = fakeCargo(t, 'mkdir -p target/release; echo bad > target/release/libtapeflow_native.so');
    const cases: [NodeJS.ProcessEnv, RegExp][] = [
      [{ PATH: tempFolder(t) }, /^cargo, which comes with Rust, is not on the PATH$/],
      [{ CARGO: '/no/such/cargo' }, /^cargo, which comes with Rust, is not on the PATH$/],
      [{ PATH: `${failing}:${process.env['PATH']}` }, /^cargo failed: error: no linker: cc$/],
      ...(process.platform === 'linux'
        ? [
            [{ PATH: `${bad}:${process.env['PATH']}` }, /^it was built, but Node cannot load it$/] as [
              NodeJS.ProcessEnv,
              RegExp,
            ],
          ]
        : []),
    ];
    for (const [env, why] of cases) {
      const { status, stderr, reason, isBuilt } = buildIn(tempFolder(t), env);
      assert.equal(status, 0, stderr);
      assert.match(reason ?? '', why);
      assert.equal(
        stderr,
        `The native part was not built: ${reason}. Everything works without it, more slowly.\n`,
      );
      assert.equal(isBuilt, false);
    }
  },
);
