import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openCodec } from '../../archive/block-codec.js';
import { openLibdeflate, tunedLevels } from '../../archive/native-codec.js';
import { formatBlockBytes } from '../../archive/format.js';
import { projectDir } from '../../config/project-dir.js';
import { noise, tempFolder } from '../support/trees.js';

const root = projectDir;
const blockBytes = formatBlockBytes.gzip;
const libdeflate = await openLibdeflate();
const without = libdeflate === undefined ? 'libdeflate was not built here' : false;
const choices = libdeflate === undefined ? (['zlib'] as const) : (['auto', 'zlib'] as const);

/** About 1 MiB each: text of this project and its dependencies, and a program. */
function realBlocks(): { name: string; block: Buffer }[] {
  const blocks: { name: string; block: Buffer }[] = [];
  const parts: Buffer[] = [];
  const walk = (dir: string) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const file = path.join(dir, entry.name);
      if (entry.isDirectory()) walk(file);
      else if (entry.isFile() && /\.(ts|js|json|md)$/.test(entry.name)) parts.push(readFileSync(file));
    }
  };
  walk(path.join(root, 'node_modules', 'typescript', 'lib'));
  const text = Buffer.concat(parts);
  for (let at = 0; at + blockBytes <= text.length && blocks.length < 3; at += 2 * blockBytes)
    blocks.push({ name: `text at ${at}`, block: text.subarray(at, at + blockBytes) });
  const program = readFileSync(process.execPath).subarray(8 * blockBytes, 9 * blockBytes);
  if (statSync(process.execPath).size > 9 * blockBytes) blocks.push({ name: 'program', block: program });
  return blocks;
}

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
  const blocks = realBlocks();
  const below: Partial<Record<(typeof choices)[number], number>> = {};
  for (const level of [1, 3, 6, 9]) {
    let byZlib = 0;
    for (const { block } of blocks) byZlib += gzipSync(block, { level, memLevel: 9 }).length;
    for (const choice of choices) {
      const codec = await openCodec('gzip', level, choice);
      let bytes = 0;
      for (const { block } of blocks) {
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
    for (const { name, block } of realBlocks().filter((one) => one.name.startsWith('text'))) {
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
  assert.throws(call(Buffer.alloc(100), output.subarray(1), 6), RangeError);
  assert.throws(call(Buffer.alloc(100), output, -1), RangeError);
  assert.throws(call(Buffer.alloc(100), output, 1 + Math.max(...Object.values(tunedLevels))), RangeError);
  assert.throws(call(Buffer.alloc(blockBytes + 1), Buffer.alloc(2 * blockBytes), 6), RangeError);
  assert.throws(call('text', output, 6), RangeError);
});

test('every reader that is here takes the members of every codec', async (t) => {
  const folder = tempFolder(t);
  const content = Buffer.concat([realBlocks()[0]?.block ?? Buffer.alloc(0), noise(50_000, 'end')]);
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

for (const name of ['libdeflate', 'zstd'])
  test(`${name}'s files are the ones that were taken from its release`, () => {
    const folder = path.join(root, 'archive', 'native', name);
    const origin = JSON.parse(readFileSync(path.join(folder, 'ORIGIN.json'), 'utf8')) as {
      files: Record<string, string>;
    };
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file !== 'ORIGIN.json' && statSync(path.join(folder, file)).isFile(),
    );
    assert.deepEqual(found.sort(), Object.keys(origin.files).sort());
    for (const file of found) {
      const hash = createHash('sha256')
        .update(readFileSync(path.join(folder, file)))
        .digest('hex');
      assert.equal(hash, origin.files[file], file);
    }
  });

test('where the native addon cannot be built, the build says why in one line and succeeds', (t) => {
  const copy = tempFolder(t);
  for (const part of ['scripts', 'archive/native'])
    cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
  const script = path.join(copy, 'scripts', 'build-native.mjs');
  const env = { ...process.env, CC: '/no/such/compiler' };
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^The native addon was not built: .+\. Everything works without it, more slowly\.\n$/);
  const record = path.join(copy, 'node_modules', '.tapeflow', 'native.json');
  assert.match(readFileSync(record, 'utf8'), /"reason":".+"/);
});
