import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../config/project-dir.js';
import { parseSize } from '../config/sizes.js';
import type { Use } from './measure.js';

/** Reads `--NAME VALUE` of a benchmark; each has a default. */
export function readOptions<Name extends string>(defaults: Record<Name, string>): Record<Name, string> {
  const options = Object.fromEntries(
    Object.entries<string>(defaults).map(([name, value]) => [
      name,
      { type: 'string' as const, default: value },
    ]),
  );
  return parseArgs({ options }).values as Record<Name, string>;
}

/** Bytes of a size given as an option. */
export function bytesOf(option: string): number {
  const bytes = parseSize(option);
  if (bytes === undefined) throw new Error(`${option} is not a size such as 400MB`);
  return bytes;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

export const rounded = (value: number, digits = 2) => Number(value.toFixed(digits));

/** Medians of the rounds of one command, and of its ratio to a peer in the same round. */
export function compared(runs: Use[], peers: Use[]): Record<string, number> {
  const ratio = (what: 'seconds' | 'cpu') =>
    rounded(median(runs.map((run, i) => run[what] / Math.max(peers[i]?.[what] ?? 0, 0.001))), 3);
  return {
    's wall': rounded(median(runs.map((run) => run.seconds)), 3),
    's CPU': rounded(median(runs.map((run) => run.cpu))),
    'wall ratio': ratio('seconds'),
    'CPU ratio': ratio('cpu'),
    'peak MB': median(runs.map((run) => run.peakMb)),
  };
}

/** Prints a table, and keeps it for the file. */
export class Report {
  private readonly tables: Record<string, object[]> = {};

  constructor(
    private readonly name: string,
    private readonly options: Record<string, string>,
  ) {}

  show(title: string, rows: object[]): void {
    this.tables[title] = rows;
    console.log(`\n${title}`);
    console.table(rows);
  }

  /** Writes `temp/bench-NAME.json`, and the tables as Markdown beside it. */
  write(): void {
    const file = resultsFile(this.name);
    mkdirSync(path.dirname(file), { recursive: true });
    const machine = {
      cpus: os.cpus().length,
      model: os.cpus()[0]?.model,
      node: process.version,
      load: os.loadavg(),
      at: new Date().toISOString(),
    };
    writeFileSync(
      file,
      `${JSON.stringify({ options: this.options, machine, tables: this.tables }, null, 2)}\n`,
    );
    writeFileSync(file.replace(/json$/, 'md'), Object.entries(this.tables).map(markdown).join('\n'));
    console.log(`Written to ${file}, and as Markdown beside it`);
  }
}

function markdown([title, rows]: [string, object[]]): string {
  const line = (cells: unknown[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`;
  const columns = Object.keys(rows[0] ?? {});
  const body = rows.map((row) => line(Object.values(row))).join('');
  return `${title}:\n\n${line(columns)}${line(columns.map(() => '---'))}${body}`;
}

/** Where a benchmark writes its figures, and the plots read them. */
export function resultsFile(name: string): string {
  return path.join(projectDir, 'temp', `bench-${name}.json`);
}
