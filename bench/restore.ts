// Reading archives back, against tar: `npm run bench -- restore [--size 400MB] [--rounds 3] [--dir FOLDER] [--seed 1]`
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readManifest } from '../archive/manifest/read-manifest.js';
import { displayName } from '../entry/byte-string.js';
import { makeCorpus } from './corpora.js';
import { measure, ourCommand, quoted, type Use } from './measure.js';
import { Report, bytesOf, compared, readOptions } from './report.js';

const options = readOptions({ size: '400MB', rounds: '3', dir: os.tmpdir(), seed: '1' });
const root = mkdtempSync(path.join(options.dir, 'tapeflow-bench-'));
const report = new Report('restore', options);
const threads = os.availableParallelism();
const env = { UV_THREADPOOL_SIZE: String(threads) };
const corpus = path.join(root, 'corpus');
const archive = path.join(root, 'bench.tar.gz');
const packed = quoted(archive);
/** What is asked for: a restore has it from the catalog. */
const [allMembers, oneMember] = [path.join(root, 'all.json'), path.join(root, 'one.json')];

/** A file of the archive's middle. */
async function middleMember(): Promise<string> {
  const files: string[] = [];
  for await (const line of readManifest(`${archive}.manifest`))
    if (line.kind === 'member' && line.member.type === 'file') files.push(line.member.name);
  return files[Math.floor(files.length / 2)] ?? '';
}

/**
 * Runs all of them alternately, each into an empty target; the first is the peer. Nothing is deleted meanwhile: for
 * five minutes ext4 does not use the inodes of deleted files again (`recently_deleted`), and looks at each of them in
 * vain.
 */
function compare(title: string, scripts: Record<string, (target: string) => string>): void {
  const uses = new Map<string, Use[]>(Object.keys(scripts).map((name) => [name, []]));
  for (let i = 0; i < Number(options.rounds); i += 1) {
    for (const [name, script] of Object.entries(scripts)) {
      const target = mkdtempSync(path.join(root, 'target-'));
      uses.get(name)?.push(measure(script(target), env));
    }
  }
  const peers = [...uses.values()][0] ?? [];
  report.show(
    title,
    [...uses].map(([what, runs]) => ({ what, ...compared(runs, peers) })),
  );
}

try {
  makeCorpus('mixed', corpus, bytesOf(options.size), Number(options.seed));
  const packing = measure(ourCommand('engine.js', 'pack', corpus, archive, threads, 6, 'auto'), env);
  report.show(`packing ${options.size} into the archive`, [{ what: 'tapeflow', ...packing }]);
  const name = await middleMember();
  measure(ourCommand('engine.js', 'wanted', archive, allMembers), env);
  measure(ourCommand('engine.js', 'wanted', archive, oneMember, name), env);
  compare('one file out of the middle; ratios to tar xzf', {
    'tar xzf ARCHIVE FILE': (target) =>
      `tar -C ${quoted(target)} -xzf ${packed} ${quoted(displayName(name))}`,
    tapeflow: (target) => ourCommand('engine.js', 'unpack', archive, target, oneMember),
  });
  compare('the whole archive; ratios to tar xzf', {
    'tar xzf': (target) => `tar -C ${quoted(target)} -xzf ${packed}`,
    'pigz -dc | tar x': (target) => `pigz -dc ${packed} | tar -C ${quoted(target)} -xf -`,
    tapeflow: (target) => ourCommand('engine.js', 'unpack', archive, target, allMembers),
  });
  compare('verify; ratios to sha256sum of the archive, which sees nothing of the files in it', {
    sha256sum: (target) => `sha256sum ${packed} >${quoted(target)}/sum`,
    'tapeflow (archive and every file)': () => ourCommand('engine.js', 'verify', archive, allMembers),
  });
  report.write();
} finally {
  rmSync(root, { recursive: true, force: true });
}
