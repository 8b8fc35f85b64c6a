import type { Operation, Strike } from './fault-shim.js';

/** A process that carries the shim: its operations are the points. */
export type Role = 'archive' | 'tape' | 'client';
/** Who is killed when the point is reached. */
export type Target = 'itself' | 'server' | 'client' | 'all';
export const targets: readonly Target[] = ['itself', 'server', 'client', 'all'];
/**
 * `staged`, `direct`: a server and workers that run already, in the flow with staging and without. `incremental`: the
 * same with staging, and most of the tree is unchanged since an earlier set. `embedded`: all of it comes and goes with
 * the command `tapeflow backup`. `labelling`: the tape worker's first start, which labels the tape. `restore`: a
 * restore, while a backup runs beside it. `to-host`: a restore to another host than the drive's. `reading`, `targets`:
 * nobody is killed; a tape's reads, or a target's calls, fail there.
 */
export type Family =
  | 'staged'
  | 'direct'
  | 'incremental'
  | 'embedded'
  | 'labelling'
  | 'restore'
  | 'to-host'
  | 'reading'
  | 'targets';

/** One operation of one process in the life of a set, in words that are the same for every set. */
export interface Point {
  family: Family;
  role: Role;
  /** Number of the operation in the recorded run; 0 for one written by hand. */
  number: number;
  operation: string;
  /** Below the lane's folder, with `{set}` and `{attempt}` in place of what differs from run to run. */
  path: string;
  /** Which one of the same operations on the same path. */
  occurrence: number;
  /** Kill when the operation has been executed: the state before any other is the state after its predecessor. */
  after: boolean;
}

/** Every point of a recorded run, in order; and one after the last. */
export function pointsOf(
  operations: readonly Operation[],
  how: { family: Family; role: Role; root: string; setId: string },
): Point[] {
  const seen = new Map<string, number>();
  // The signs of life of a host come by the clock.
  const steps = operations.filter(({ path }) => !path.startsWith(`${how.root}/staging/hosts`));
  const points = steps.map((operation, index): Point => {
    const place = plainPath(operation.path, how.root, how.setId);
    const key = `${operation.name} ${place}`;
    const occurrence = (seen.get(key) ?? 0) + 1;
    seen.set(key, occurrence);
    return {
      family: how.family,
      role: how.role,
      number: index + 1,
      operation: operation.name,
      path: place,
      occurrence,
      after: false,
    };
  });
  const last = points.at(-1);
  return last === undefined ? [] : [...points, { ...last, number: points.length + 1, after: true }];
}

/** The path of an operation without what differs from run to run. */
function plainPath(file: string, root: string, setId: string): string {
  return (
    file
      .replace(`${root}/`, '')
      .replace(/^(staging\/copy\/)[^/]+/, '$1{attempt}')
      // Below a restore's target again.
      .replaceAll(root, '{root}')
      .replaceAll(setId, '{set}')
      .replace(/\.(gz|json)\.[^/]+\.part$/, '.$1.{attempt}.part')
      .replace(/\/(\.tapeflow-restore-)[^/]+-(\d+)\.part$/, '/$1{attempt}-$2.part')
      .replace(/\/(\.tapeflow-restore-)[^/]+-names\.part/, '/$1{attempt}-names.part')
      .replace(/(-names\.part\/)[^/]+/, '$1{attempt}')
      // A file without a name (O_TMPFILE), by its inode.
      .replace(/\/#\d+ \(deleted\)$/, '/#{attempt} (deleted)')
  );
}

/** What the shim has to be told for a point. `setId` may be a glob. */
export function strikeAt(point: Point, root: string, setId: string): Strike {
  return {
    action: point.after ? 'killAfter' : 'killBefore',
    operation: point.operation,
    path: `${root}/${point.path.replaceAll('{root}', root).replaceAll('{set}', setId).replaceAll('{attempt}', '*')}`,
    at: point.occurrence,
  };
}

/** A point for people: `before rename staging/final/{set}/…`. */
export function describePoint(point: Point): string {
  const which = point.occurrence > 1 ? ` (${point.occurrence}.)` : '';
  return `${point.after ? 'after' : 'before'} ${point.operation} ${point.path}${which}`;
}
