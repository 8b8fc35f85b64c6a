import path from 'node:path';
import type { Problem } from './check-set.js';
import { noise, writeTree } from './trees.js';

/** Groups of `killSource` with `killSettings`. */
export const killGroups = 3;

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
