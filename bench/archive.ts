// Making archives, against tar with a compressor: `npm run bench -- archive [--size 400MB] [--rounds 3] …`
//   --size     bytes of all corpora together, without the 25,000 tiny files
//   --rounds   ours and the peers run alternately so many times; medians are shown
//   --corpora  of mixed, text, incompressible, big, tiny
//   --threads  numbers of threads for the sweep over the mixed corpus
//   --dir      where corpora and archives are made; by default the system's temporary folder
//   --seed     of the corpora
// tar walks the folder as it goes. tapeflow has done that in its scan, which writes what it finds into the catalog (see
// `scale`); the engine gets the same from a list that was made before, and looks at each file again. The candidate that
// walks by itself does the scan's walk within the time that is measured, in JavaScript and before any packing of the
// same page. The product packs in a worker that has been up for long: `s in the call` is what the call to pack took,
// without Node's start, and all of it for a peer.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { formatEndings, type ArchiveFormat, type CodecChoice } from '../entry/archive-format.js';
import { corpusNames, makeCorpus, type CorpusName } from './corpora.js';
import { buildPgzip } from './go-pgzip.js';
import { has, measure, ourCommand, quoted, type Use } from './measure.js';
import { Report, bytesOf, compared, median, readOptions, rounded } from './report.js';

const cores = os.availableParallelism();
const options = readOptions({
  size: '400MB',
  rounds: '3',
  corpora: corpusNames.join(','),
  threads: [...new Set([1, 2, cores, 2 * cores])].sort((a, b) => a - b).join(','),
  dir: os.tmpdir(),
  seed: '1',
});
const rounds = Number(options.rounds);
const root = mkdtempSync(path.join(options.dir, 'tapeflow-bench-'));
const report = new Report('archive', options);
const pgzip = buildPgzip();

interface Candidate {
  name: string;
  format: ArchiveFormat;
  script: (corpus: Corpus, output: string) => string;
  env?: Record<string, string>;
}

interface Corpus {
  folder: string;
  /** What a scan of it finds. */
  list: string;
}

const tarOf = (corpus: string) => `tar -C / -cf - ${quoted(corpus.slice(1))}`;
const ours = (
  name: string,
  threads: number,
  {
    format = 'gzip',
    level = 6,
    codec = 'auto',
    from = 'list',
  }: { format?: ArchiveFormat; level?: number; codec?: CodecChoice; from?: keyof Corpus },
): Candidate => ({
  name,
  format,
  script: (corpus, output) => ourCommand('engine.js', 'pack', corpus[from], output, threads, level, codec),
  env: { UV_THREADPOOL_SIZE: String(threads) },
});
const piped = (name: string, compressor: string, format: ArchiveFormat = 'gzip'): Candidate => ({
  name,
  format,
  script: ({ folder }, output) => `${tarOf(folder)} | ${compressor} >${quoted(output)}`,
});
const pigz = (threads: number) => piped(`tar | pigz -p ${threads} -6`, `pigz -p ${threads} -6`);
const zstd = (threads: number) => ours('tapeflow, zstd', threads, { format: 'zstd', level: 3 });

/** Candidates that make the same kind of archive; each one's ratios are to the first. */
function contests(): Candidate[][] {
  const gzip = [
    pigz(cores),
    ours('tapeflow', cores, {}),
    ours('tapeflow, walking first', cores, { from: 'folder' }),
    ours('tapeflow, zlib alone', cores, { codec: 'zlib' }),
  ];
  gzip.push(piped('tar | gzip -6', 'gzip -6'));
  if (pgzip !== undefined) gzip.push(piped("tar | Go's pgzip -6", `${quoted(pgzip)} 6`));
  const none = [piped('tar', 'cat', 'none'), ours('tapeflow, none', cores, { format: 'none' })];
  if (has('zstd')) return [gzip, [piped('tar | zstd -T0 -3', 'zstd -q -T0 -3', 'zstd'), zstd(cores)], none];
  console.log('No zstd here: left out.');
  return [gzip, none];
}

const nameOf = ({ format }: Candidate) => path.join(root, `archive${formatEndings[format]}`);

interface PackUse extends Use {
  /** Bytes of the archive. */
  size: number;
  /** Seconds of the call to pack alone. */
  call: number;
}

function run(candidate: Candidate, corpus: Corpus): PackUse {
  const output = nameOf(candidate);
  const seconds = `${output}.seconds`;
  for (const file of [output, `${output}.manifest`, seconds]) rmSync(file, { force: true });
  const use = measure(candidate.script(corpus, output), candidate.env);
  const call = existsSync(seconds) ? Number(readFileSync(seconds, 'utf8')) : use.seconds;
  return { ...use, size: statSync(output).size, call };
}

/** All candidates alternately, after one run of tar that only warms the cache. */
function compare(list: Candidate[], corpus: Corpus): Map<string, PackUse[]> {
  const uses = new Map(list.map(({ name }) => [name, [] as PackUse[]]));
  execFileSync('bash', ['-c', `${tarOf(corpus.folder)} | cat >/dev/null`]);
  for (let i = 0; i < rounds; i += 1)
    for (const candidate of list) {
      uses.get(candidate.name)?.push(run(candidate, corpus));
      // Reads it with GNU tar, and compares every file with its source.
      if (i === 0 && candidate.name.startsWith('tapeflow'))
        execFileSync('tar', ['-C', '/', '-df', nameOf(candidate)]);
    }
  return uses;
}

function measureCorpus(name: CorpusName, corpus: Corpus): void {
  for (const list of contests()) measureContest(name, corpus, list);
}

function measureContest(name: CorpusName, corpus: Corpus, list: Candidate[]): void {
  const uses = compare(list, corpus);
  const peers = uses.get(list[0]?.name ?? '') ?? [];
  const bytes = Number(execFileSync('du', ['-sb', corpus.folder], { encoding: 'utf8' }).split('\t')[0]);
  report.show(
    `${name}: ${rounded(bytes / 1e6, 0)} MB; ratios to ${list[0]?.name ?? ''}`,
    list.map((candidate) => {
      const runs = uses.get(candidate.name) ?? [];
      return {
        what: candidate.name,
        ...compared(runs, peers),
        's in the call': rounded(median(runs.map((use) => use.call)), 3),
        'its ratio': rounded(median(runs.map((use, i) => use.call / (peers[i]?.call ?? NaN))), 3),
        'size ratio': rounded((runs[0]?.size ?? 0) / (peers[0]?.size ?? 1), 3),
        'MB/s': rounded(bytes / 1e6 / median(runs.map((use) => use.seconds)), 0),
      };
    }),
  );
}

/** Throughput for each number of threads, for the plot. */
function sweep(corpus: Corpus): void {
  const bytes = Number(execFileSync('du', ['-sb', corpus.folder], { encoding: 'utf8' }).split('\t')[0]);
  const rows = options.threads
    .split(',')
    .map(Number)
    .map((threads) => {
      const uses = compare(
        [
          pigz(threads),
          ours('tapeflow', threads, {}),
          ours('tapeflow, zlib alone', threads, { codec: 'zlib' }),
          zstd(threads),
        ],
        corpus,
      );
      const speeds = [...uses.values()].map((runs) =>
        rounded(bytes / 1e6 / median(runs.map((use) => use.seconds)), 0),
      );
      const [pigzSpeed, oursSpeed, zlibSpeed, zstdSpeed] = speeds;
      return {
        threads,
        'tapeflow MB/s': oursSpeed,
        'zlib alone MB/s': zlibSpeed,
        'tapeflow, zstd MB/s': zstdSpeed,
        'tar | pigz MB/s': pigzSpeed,
      };
    });
  report.show('mixed, by threads', rows);
}

try {
  const names = options.corpora.split(',') as CorpusName[];
  const sized = names.filter((name) => name !== 'tiny').length;
  for (const name of names) {
    const folder = path.join(root, name);
    const corpus = { folder, list: path.join(root, `${name}.list`) };
    makeCorpus(name, folder, bytesOf(options.size) / Math.max(sized, 1), Number(options.seed));
    measure(ourCommand('engine.js', 'list', folder, corpus.list));
    measureCorpus(name, corpus);
    if (name === 'mixed') sweep(corpus);
    rmSync(folder, { recursive: true });
  }
  report.write();
} finally {
  rmSync(root, { recursive: true, force: true });
}
