import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Problem } from './check-set.js';
import type { Family } from './kill-point.js';
import { noise, writeTree } from './trees.js';

/** Groups of `killSource` with `killSettings`. */
export const killGroups = 3;

/** Milliseconds for a set to recover, or for workers to start: on a machine that is busy with much else, too. */
export const recoverMs = 600_000;

/** What is unchanged counts for nothing, so that all that has changed makes one group. */
export function groupsOf(family: Family): number {
  return family === 'incremental' ? 1 : killGroups;
}

/** Short time-outs; a group of 8.5 MiB, so that its file takes two writes to the tape and makes a group of its own. */
export const killSettings = {
  HEARTBEAT_SECONDS: '2',
  RETRY_SECONDS: '0.2',
  TAPE_RETRY_SECONDS: '0.5',
  MAX_GROUP_SIZE: '8704KiB',
  COMPRESSION_LEVEL: '1',
  PARALLEL_GROUPS: '1',
};

/** The tree that is backed up at every point. */
export function killSource(root: string): string {
  const source = path.join(root, 'source');
  writeTree(source, {
    'a/one.txt': 'one '.repeat(3000),
    'a/two.bin': noise(20_000, 'two'),
    'b/large.bin': noise(8704 * 1024, 'large'),
    'c/three.txt': 'three '.repeat(2000),
    'c/empty': '',
  });
  return source;
}

/** Files of `killSource` that `changeKillSource` leaves as they are. */
export const unchangedInKillSource = ['b/large.bin', 'c/empty', 'c/three.txt'];

/** Changes some of `killSource` for one set: other content, a new file, and one that is gone. */
export function changeKillSource(root: string, setId: string): void {
  const at = (name: string) => path.join(root, 'source', name);
  writeFileSync(at('a/one.txt'), `${setId} `.repeat(1000));
  writeFileSync(at('c/new.txt'), setId);
  rmSync(at('a/two.bin'), { force: true });
}

export interface Outcome {
  /** The set that was interrupted. */
  setId: string;
  result: 'recovered' | 'not reached' | Problem['kind'];
  problems: Problem[];
  /** From the kill to the closed workflow. */
  seconds: number;
  /** Where to look when something is wrong. */
  root: string;
}

/**
 * What a run is called, by its problems and whether its point was reached. A lost file is worse than one that was left
 * behind.
 */
export function resultOf(problems: readonly Problem[], reached: boolean): Outcome['result'] {
  const order = ['lost', 'wrong bytes', 'doubled', 'unclean'] as const;
  const kind = order.find((candidate) => problems.some((problem) => problem.kind === candidate));
  return kind ?? (reached ? 'recovered' : 'not reached');
}
