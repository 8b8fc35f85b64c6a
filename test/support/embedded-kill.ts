import { rmSync } from 'node:fs';
import path from 'node:path';
import { checkSet, type Problem } from './check-set.js';
import { FaultShim } from './fault-shim.js';
import { Installation } from './installation.js';
import { killGroups, killSettings, killSource, resultOf, type Outcome } from './kill-set.js';
import { strikeAt, type Point } from './kill-point.js';
import { waitFor } from './wait-for.js';

/** A handful of operations, over the whole flow; the processes of the command count them together. */
export const embeddedPoints: readonly Point[] = (
  [
    ['archive', 'open', 'staging/temp/{set}/backup_{set}_000001.tar.gz.{attempt}.part', 1],
    ['archive', 'fsync', 'data/catalog.db-wal', 12],
    ['archive', 'rename', 'staging/final/{set}/backup_{set}_000001.tar.gz', 1],
    ['tape', 'rename', 'data/tape/{set}/backup_{set}_000001.manifest.jsonl.gz', 1],
    ['tape', 'write', 'data/tape/{set}/backup_{set}_000002.tar.gz.{attempt}.part', 2],
    ['tape', 'fsync', 'data/catalog.db-wal', 40],
    ['archive', 'unlink', 'staging/final/{set}/backup_{set}_000003.tar.gz', 1],
    ['archive', 'rmdir', 'staging/temp/{set}', 1],
  ] as const
).map(([role, operation, file, occurrence], index) => ({
  family: 'embedded',
  role,
  number: index + 1,
  operation,
  path: file,
  occurrence,
  after: false,
}));

/**
 * Runs `tapeflow backup` with all that comes with it (host, server, workers). The process that reaches the point is
 * stopped there, then everything is killed; the same command is run again, and has to end the same set.
 */
export async function killWholeTree(library: string, point: Point): Promise<Outcome> {
  const atEnd: (() => unknown)[] = [];
  const installation = await Installation.make(
    { after: (step?: unknown) => void atEnd.push(step as () => unknown) },
    killSettings,
  );
  const { root, dataDir, stagingDir, tapeDir } = installation;
  const source = killSource(root);
  const catalog = path.join(dataDir, 'catalog.db');
  const shim = new FaultShim(library, root, 'tree', { folders: [stagingDir, tapeDir], commits: catalog });
  shim.arm({ ...strikeAt(point, root, '*'), action: 'freeze' });
  const problems: Problem[] = [];
  const command = ['backup', source];
  const began = Date.now();
  const first = installation.start([...command, '--json'], shim.env);
  let ended = false;
  void first.ended.then(() => (ended = true));
  await waitFor(() => ended || shim.struck().times > 0, `the point in ${root}`);
  const reached = shim.struck().times > 0;
  await installation.killAll();
  const again = reached
    ? await installation.json<{ setId?: string; status?: string }>(command)
    : (JSON.parse((await first.ended).stdout.trim().split('\n').at(-1) ?? '{}') as { setId?: string });
  const seconds = (Date.now() - (reached ? shim.struck().when : began)) / 1000;
  const sets = installation.query<{ id: string }>('select id from sets');
  const setId = sets[0]?.id ?? '';
  // A set whose last step was interrupted after its state was recorded is not taken up again: a new one begins.
  if (sets.length !== 1 || again.setId !== setId)
    problems.push({
      kind: 'doubled',
      what: `the same command made the sets ${sets.map((set) => set.id).join(', ')}`,
    });
  problems.push(...checkSet({ catalog, staging: stagingDir, tape: tapeDir, source }, setId, killGroups));
  if (problems.length > 0) return { setId, result: resultOf(problems, reached), problems, seconds, root };
  for (const step of atEnd) await step();
  rmSync(root, { recursive: true, force: true });
  return { setId, result: resultOf(problems, reached), problems, seconds, root };
}
