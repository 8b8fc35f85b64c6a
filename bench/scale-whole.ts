// Whole commands on a tree of many small files, with the start and end of server and workers, against what others do
// with the same tree.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';
import { has, measure, quoted } from './measure.js';
import { median, rounded } from './report.js';
import { makeTree } from './scale-trees.js';

const perFolder = 250;
/** Of a word or two each: about 0.3 KB for a file. */
const wordsPerFile = 50;

/** What one command took: with all that it starts, and what the set or restore says that it took itself. */
interface Took {
  /** Of the set or restore. */
  id: string;
  wall: number;
  own: number;
}

/** A peer, and at most how many times as long as it ours may take. */
interface Peer {
  what: string;
  script: string;
  aim: number;
}

/** Runs a tapeflow command to its end with an installation of its own. Throws when it fails. */
function ours(data: string, args: string[]): Took {
  const env = {
    ...process.env,
    ...{ TAPEFLOW_DATA_DIR: data, BACKUP_COMPRESS_DIR: path.join(data, 'staging') },
    TAPEFLOW_LOCK_DIR: path.join(data, 'locks'),
  };
  const began = performance.now();
  const command = [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args, '--json'];
  const { status, stdout } = spawnSync(process.execPath, command, {
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const wall = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`tapeflow ${args.join(' ')} ended with ${status}: ${stdout.slice(-500)}`);
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    setId?: string;
    seconds: number;
  };
  return { id: last.setId ?? '', wall, own: last.seconds };
}

/** Has the system forget what it has read of files. */
function forgetFiles(): void {
  measure('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/**
 * Backs a tree of `count` files up, again when nothing has changed, and restores it; peers and ours alternate. Returns
 * a row for each comparison: medians of seconds, and of the ratios within a round.
 *
 * @param root a folder that is removed afterwards: to delete files meanwhile would make ext4 slow.
 * @param cold each command begins with nothing in the system's memory of what is on the disk.
 */
export function wholeCommands(root: string, count: number, rounds: number, cold = false): object[] {
  const tree = path.join(root, `small-${count}`);
  makeTree(tree, count, perFolder, 1, wordsPerFile);
  const tiny = path.join(root, 'tiny');
  makeTree(tiny, 1, 1);
  const [repository, packed] = [path.join(root, 'restic'), path.join(root, 'peer.tar.gz')];
  const restic = has('restic');
  const resticOf = (what: string) => `RESTIC_PASSWORD=x restic -q -r ${quoted(repository)} ${what}`;
  if (restic) measure(`${resticOf('init')} && ${resticOf(`backup ${quoted(tree)}`)}`);
  const found = new Map<string, { aim: number; peer: number[]; ours: Took[] }>();
  const compare = (title: string, peers: Peer[], run: () => Took) => {
    const walls = peers.map(({ script }) => {
      if (cold) forgetFiles();
      return measure(script).seconds;
    });
    if (cold) forgetFiles();
    const took = run();
    peers.forEach(({ what, aim }, at) => {
      const row = found.get(`${title}: ${what}`) ?? { aim, peer: [], ours: [] };
      row.peer.push(walls[at] ?? 0);
      row.ours.push(took);
      found.set(`${title}: ${what}`, row);
    });
    return took.id;
  };
  for (let round = 1; round <= rounds; round += 1) {
    const data = path.join(root, `data-${round}`);
    mkdirSync(data);
    // An installation is set up once: the server's program, the tape's label.
    ours(data, ['backup', tiny]);
    const target = () => mkdtempSync(path.join(root, 'target-'));
    const first = {
      what: 'tar | pigz',
      script: `tar -C ${quoted(tree)} -cf - . | pigz >${quoted(packed)}`,
      aim: 1,
    };
    const id = compare('first set', [first], () => ours(data, ['backup', tree, '--mode', 'full']));
    const find = `find ${quoted(tree)} -printf '%s %T@ %p\\n' >/dev/null`;
    const again = [{ what: 'find', script: find, aim: 4 }];
    if (restic) again.push({ what: 'restic', script: resticOf(`backup ${quoted(tree)}`), aim: 0.35 });
    compare('nothing changed', again, () => ours(data, ['backup', tree, '--mode', 'incremental']));
    const tar = `tar -C ${quoted(target())} -xzf ${quoted(packed)}`;
    compare('restore', [{ what: 'tar xzf', script: tar, aim: 1 }], () =>
      ours(data, ['restore', id, '--target', target()]),
    );
  }
  return [...found].map(([what, { aim, peer, ours: runs }]) => {
    const ratio = (of: 'wall' | 'own') => rounded(median(runs.map((run, i) => run[of] / (peer[i] ?? 1))));
    return {
      what,
      'peer, s': rounded(median(peer)),
      'ours, s': rounded(median(runs.map(({ wall }) => wall))),
      ratio: ratio('wall'),
      'the set alone, s': rounded(median(runs.map(({ own }) => own))),
      'its ratio': ratio('own'),
      aim,
    };
  });
}
