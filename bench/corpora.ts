import { createCipheriv } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';
import { randomFrom } from './scale-trees.js';

/** Files of this machine that compress as users' files do. */
const textRoots = [
  '/usr/share/doc',
  '/usr/include',
  '/usr/lib/python3',
  path.join(projectDir, 'node_modules'),
];
const binaryRoots = [
  '/usr/bin',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib/git-core',
];
const packed = /\.(gz|xz|zst|png|jpg|woff2?|zip|br)$/;
const maxFileBytes = 16 * 1024 * 1024;

export const corpusNames = ['mixed', 'text', 'incompressible', 'big', 'tiny'] as const;
export type CorpusName = (typeof corpusNames)[number];
export const tinyFiles = 25_000;

/** Regular files below the roots, in an order that depends on the seed and on nothing else but the machine. */
function filesBelow(roots: string[], wanted: (name: string) => boolean, seed: number): string[] {
  const found: string[] = [];
  const folders = roots.filter((root) => lstatSync(root, { throwIfNoEntry: false })?.isDirectory());
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile() && wanted(entry.name)) found.push(name);
    }
  }
  found.sort();
  const random = randomFrom(seed);
  for (let i = found.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [found[i], found[j]] = [found[j] ?? '', found[i] ?? ''];
  }
  return found;
}

/** Bytes like noise, from a seed. */
export function noiseOf(bytes: number, seed: number): Buffer {
  const key = Buffer.alloc(32);
  key.writeUInt32LE(seed);
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** The files' contents again and again, until there are so many bytes. */
function* contents(files: string[], bytes: number): Generator<Buffer> {
  let left = bytes;
  while (left > 0 && files.length > 0) {
    const before = left;
    for (const file of files) {
      if (left <= 0) return;
      const { size } = lstatSync(file);
      if (size === 0 || size > maxFileBytes) continue;
      yield readFileSync(file);
      left -= size;
    }
    if (left === before) return;
  }
}

class Writer {
  private count = 0;
  constructor(private readonly root: string) {}

  add(content: Buffer): void {
    const folder = path.join(this.root, `d${String(Math.floor(this.count / 200)).padStart(4, '0')}`);
    if (this.count % 200 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `f${String(this.count).padStart(6, '0')}`), content);
    this.count += 1;
  }
}

/** Makes a corpus of about so many bytes in a new folder. `tiny` has 25,000 files, whatever the size. */
export function makeCorpus(name: CorpusName, root: string, bytes: number, seed: number): void {
  const text = () =>
    filesBelow(textRoots, (file) => /\.(js|ts|md|json|py|h|txt|html|copyright)$/.test(file), seed);
  const binaries = () => filesBelow(binaryRoots, (file) => !packed.test(file), seed);
  const writer = new Writer(root);
  const addAll = (files: string[], share: number) => {
    for (const content of contents(files, bytes * share)) writer.add(content);
  };
  const noise = (share: number) => {
    const each = 2_000_000;
    for (let i = 0; i < Math.ceil((bytes * share) / each); i += 1) writer.add(noiseOf(each, seed + i));
  };
  mkdirSync(root, { recursive: true });
  if (name === 'mixed') {
    addAll(text(), 0.5);
    addAll(binaries(), 0.3);
    noise(0.2);
  } else if (name === 'text') addAll(text(), 1);
  else if (name === 'incompressible') noise(1);
  else if (name === 'tiny') makeTiny(writer, text());
  else makeBig(root, [...text(), ...binaries()], bytes);
}

function makeTiny(writer: Writer, files: string[]): void {
  let made = 0;
  for (const content of contents(files, Infinity)) {
    for (let at = 0; at < content.length; at += 1024) {
      writer.add(content.subarray(at, at + 1 + ((at * 7 + made * 13) % 1024)));
      made += 1;
      if (made === tinyFiles) return;
    }
  }
}

/** Three files, as disk images or databases are: text and programs in turn. */
function makeBig(root: string, files: string[], bytes: number): void {
  for (let i = 0; i < 3; i += 1) {
    const parts = [
      ...contents(
        files.filter((_, at) => at % 3 === i),
        bytes / 3,
      ),
    ];
    writeFileSync(path.join(root, `image-${i}`), Buffer.concat(parts));
  }
}
