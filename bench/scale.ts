// What a file and a group cost: `npm run bench -- scale [--files N,N…] [--groups N,N…] [--backup] [--dir FOLDER]
// [--whole N] [--json FILE]`.
//   --files   sizes of the trees for scan, catalog and queries; by default 10000,100000
//   --groups  numbers of groups for whole sets of one file each; by default none
//   --backup  also a whole set of each tree, for the memory of every process
//   --whole   files of the tree for whole commands against tar, pigz, restic and find; 0 for none, by default 300000
//   --cold    these read from the disk, not from the system's memory; as root on Linux
//   --dir     where trees and catalogs are made; by default the system's temporary folder
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../config/project-dir.js';
import { backUp, type BackupUse } from './scale-backup.js';
import type { StepResult } from './scale-step.js';
import { makeTree } from './scale-trees.js';
import { wholeCommands } from './scale-whole.js';

const rounds = 3;
const perFolder = 250;

const { values: given } = parseArgs({
  options: {
    files: { type: 'string', default: '10000,100000' },
    groups: { type: 'string', default: '' },
    backup: { type: 'boolean', default: false },
    whole: { type: 'string', default: '300000' },
    cold: { type: 'boolean', default: false },
    dir: { type: 'string', default: os.tmpdir() },
    json: { type: 'string', default: path.join(projectDir, 'temp', 'bench-scale.json') },
  },
});
const numbers = (text: string) => text.split(',').filter(Boolean).map(Number);
const root = mkdtempSync(path.join(given.dir, 'tapeflow-scale-'));
const report: { scans: object[]; backups: object[]; whole: object[]; machine: object } = {
  machine: { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version, load: os.loadavg() },
  scans: [],
  backups: [],
  whole: [],
};

/** CPU and wall seconds of GNU find, which looks at every entry as the scan does. */
function find(tree: string): { seconds: number; cpu: number } {
  const script = `TIMEFORMAT='%R %U %S'; time find "$1" -printf '%s %T@ %p\\n' >/dev/null`;
  const output = execFileSync('bash', ['-c', `{ ${script}; } 2>&1`, 'bash', tree], { encoding: 'utf8' });
  const [seconds = 0, user = 0, system = 0] = output.trim().split(' ').map(Number);
  return { seconds, cpu: user + system };
}

function step(name: string, catalog: string, source = ''): StepResult {
  const script = path.join(projectDir, 'dist', 'bench', 'scale-step.js');
  return JSON.parse(
    execFileSync(process.execPath, [script, name, catalog, source], { encoding: 'utf8' }),
  ) as StepResult;
}

const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const round = (value: number, digits = 2) => Number(value.toFixed(digits));

function measureTree(shape: string, count: number, tree: string): void {
  const ours: StepResult[] = [];
  const walks: StepResult[] = [];
  const theirs: { seconds: number; cpu: number }[] = [];
  let catalog = '';
  // Alternately, so that both meet the same machine; the first find only warms the cache.
  find(tree);
  for (let i = 0; i < rounds; i += 1) {
    theirs.push(find(tree));
    catalog = path.join(root, `catalog-${shape}-${count}-${i}`, 'catalog.db');
    mkdirSync(path.dirname(catalog));
    ours.push(step('scan', catalog, tree));
    const other = path.join(root, 'walk.db');
    walks.push(step('walk', other, tree));
    for (const ending of ['', '-wal', '-shm']) rmSync(other + ending, { force: true });
  }
  const life = step('life', catalog);
  const queries = step('queries', catalog);
  const perFile = (seconds: number) => round((seconds * 1e6) / count);
  const cpu = (runs: StepResult[]) => perFile(median(runs.map((run) => run.cpu)));
  const ratios = (runs: StepResult[], of: 'cpu' | 'seconds') =>
    round(median(runs.map((run, i) => run[of] / (theirs[i]?.[of] ?? 1))));
  const row = {
    tree: `${count} files, ${shape}`,
    'find µs/file CPU': perFile(median(theirs.map((run) => run.cpu))),
    'walk and plan µs/file CPU': cpu(walks),
    'walk and plan CPU ratio': ratios(walks, 'cpu'),
    'walk and plan wall ratio': ratios(walks, 'seconds'),
    'scan µs/file CPU': cpu(ours),
    'scan CPU ratio': ratios(ours, 'cpu'),
    'scan wall ratio': ratios(ours, 'seconds'),
    'scan MB': Math.round(median(ours.map((run) => run.rssMb))),
    'catalog after the scan µs/file CPU': perFile(life.cpu),
    ...Object.fromEntries(Object.entries(queries.values).map(([what, ms]) => [`${what} ms`, round(ms, 1)])),
  };
  report.scans.push(row);
  console.table(Object.entries(row).map(([what, value]) => ({ what, value })));
}

function showBackup(what: string, use: BackupUse): void {
  const row: Record<string, string | number> = { what, status: use.status, groups: use.groups };
  let cpu = 0;
  for (const { role, cpu: seconds, peakMb } of use.processes) {
    row[`${role} MB`] = peakMb;
    row[`${role} CPU s`] = round(seconds);
    cpu += seconds;
  }
  row['seconds'] = round(use.seconds, 1);
  row['CPU ms/group'] = round((cpu * 1000) / Math.max(use.groups, 1));
  row['wall ms/group'] = round((use.seconds * 1000) / Math.max(use.groups, 1));
  report.backups.push(row);
  console.table(Object.entries(row).map(([name, value]) => ({ what: name, value })));
}

try {
  for (const count of numbers(given.files)) {
    for (const [shape, folder] of [
      ['folders', perFolder],
      ['flat', count],
    ] as const) {
      const tree = path.join(root, `tree-${shape}-${count}`);
      makeTree(tree, count, folder);
      measureTree(shape, count, tree);
      if (given.backup) showBackup(`${count} files, ${shape}`, await backUp(tree, {}));
      rmSync(tree, { recursive: true });
    }
  }
  for (const count of numbers(given.groups)) {
    const tree = path.join(root, `groups-${count}`);
    makeTree(tree, count, count);
    showBackup(`${count} groups of one file`, await backUp(tree, { MAX_GROUP_FILES: '1' }));
  }
  if (Number(given.whole) > 0) {
    report.whole = wholeCommands(root, Number(given.whole), rounds, given.cold);
    console.table(report.whole);
  }
  mkdirSync(path.dirname(given.json), { recursive: true });
  writeFileSync(given.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`Written to ${given.json}`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
