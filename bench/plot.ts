// Plots of the last runs of `archive` and `scale`: `npm run bench -- plot [--to temp]` writes bench-threads.svg and
// bench-cost.svg into a folder of the project.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';
import { readOptions, resultsFile } from './report.js';
import { lineChart, type Line } from './line-chart.js';

const options = readOptions({ to: 'temp' });

function results(name: string): Record<string, unknown> | undefined {
  const file = resultsFile(name);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  console.log(`No ${file}: run \`npm run bench -- ${name}\` first.`);
  return undefined;
}

function write(name: string, svg: string): void {
  const file = path.resolve(projectDir, options.to, `bench-${name}.svg`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, svg);
  console.log(`Written to ${file}`);
}

type Row = Record<string, number | string>;

/** One line for each named column of a table, over its `x` column. */
function linesOf(rows: Row[], x: (row: Row) => number, columns: Record<string, string>): Line[] {
  return Object.entries(columns).map(([name, column]) => ({
    name,
    points: rows
      .filter((row) => typeof row[column] === 'number')
      .map((row): [number, number] => [x(row), Number(row[column])])
      .sort((a, b) => a[0] - b[0]),
  }));
}

const archive = results('archive')?.['tables'] as Record<string, Row[]> | undefined;
const sweep = archive?.['mixed, by threads'];
if (sweep !== undefined) {
  const columns = {
    tapeflow: 'tapeflow MB/s',
    'zlib alone': 'zlib alone MB/s',
    'tar | pigz': 'tar | pigz MB/s',
  };
  const lines = linesOf(sweep, (row) => Number(row['threads']), columns);
  write(
    'threads',
    lineChart({ title: 'Packing mixed files', x: 'threads', y: 'MB of files per second', lines }),
  );
}

const scale = results('scale') as { scans: Row[]; backups: Row[] } | undefined;
if (scale !== undefined) {
  const count = (row: Row) => Number.parseInt(String(row['tree'] ?? row['what']), 10);
  const inFolders = scale.scans.filter((row) => String(row['tree']).includes('folders'));
  const files = linesOf(inFolders, count, {
    'scan, µs for each file': 'scan µs/file CPU',
    'catalog after the scan, µs for each file': 'catalog after the scan µs/file CPU',
  });
  const groups = linesOf(
    scale.backups.filter((row) => String(row['what']).includes('groups')),
    count,
    { 'whole set, ms of CPU for each group': 'CPU ms/group' },
  );
  const lines = [...files, ...groups].filter(({ points }) => points.length > 0);
  write(
    'cost',
    lineChart({
      title: 'Cost by number of files and groups',
      x: 'files or groups',
      y: 'cost',
      lines,
      logX: true,
    }),
  );
}
