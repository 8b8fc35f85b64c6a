import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Packer } from '../../archive/pack/pack.js';
import { finishFolder } from '../../archive/unpack/finish-tree.js';
import { MetadataSetter } from '../../archive/unpack/put-metadata.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { Unpacker } from '../../archive/unpack/unpack.js';
import type { Overwrite, Placed, WantedMember } from '../../archive/unpack/unpack-options.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { BlockIndex } from '../../entry/block-index.js';
import { ownersAsBackedUp, type OwnerChoice } from '../../entry/owner-choice.js';
import { plan } from './plan.js';

/** An archive of a folder, and what is wanted of it: all. */
export interface PackedTree {
  archivePath: string;
  index: BlockIndex;
  members: WantedMember[];
  /** Where the source is below a target. */
  below: string;
}

/** What a restore chooses. */
export interface RestoreChoice {
  overwrite?: Overwrite;
  owners?: OwnerChoice;
  /** `zlib`: without the native part. */
  codec?: CodecChoice;
}

/** What became of a member; of a folder, at the end. */
export interface Became extends Partial<Placed> {
  name: string;
  reason?: string;
}

/** Packs a folder into an archive that every user may read. */
export async function packTree(t: TestContext, source: string): Promise<PackedTree> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tapeflow-alone-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const archivePath = path.join(folder, 'a.tar.gz');
  const header = {
    ...{ set: '2026-11_000001', setUuid: 'u', group: 1, archive: 'a.tar.gz', created: '' },
    ...{ installation: 'i', sources: [], hostname: 'h', mode: 'full', platform: process.platform },
  };
  const paths = { archivePath, manifestPath: `${archivePath}.manifest` };
  const how = { format: 'gzip', level: 1, inFlight: 2, maxBytes: null, manifestHeader: header } as const;
  const packer = await Packer.open({ ...paths, ...how }, () => false);
  const { packed } = await packer.add(plan(source));
  const { archive: index } = await packer.finish([]);
  chmodSync(archivePath, 0o644);
  const offsets = new Map(packed.map(({ name, offset }) => [name, offset]));
  const members = packed.map((member): WantedMember => ({
    ...member,
    type: member.type === 'link' ? 'file' : member.type,
    mode: member.mode & 0o7777,
    linkOffset: member.type === 'link' ? (offsets.get(member.linkTarget ?? '') ?? null) : null,
  }));
  return { archivePath, index, members, below: source };
}

/** Restores all of an archive into a folder, as the first and the last step of a restore do it. */
export async function restoreTree(
  { archivePath, index, members }: PackedTree,
  target: string,
  { overwrite = 'never', owners = ownersAsBackedUp, codec = 'auto' }: RestoreChoice = {},
): Promise<Became[]> {
  const job = { name: 'restore-000001', token: 't' };
  const options = { archivePath, index, target, overwrite, owners, codec, own: {}, job, inFlight: 2 };
  const unpacker = await Unpacker.open(options, () => false);
  let became: Became[];
  try {
    became = await unpacker.take(members);
  } finally {
    unpacker.close();
  }
  const tree = new TargetTree(target, job, {});
  const metadata = new MetadataSetter({ owners, codec });
  for (const member of members.filter(({ type }) => type === 'directory').reverse()) {
    const entry = became.find(({ name }) => name === member.name);
    if (entry !== undefined) Object.assign(entry, finishFolder(tree, member, metadata));
  }
  tree.close();
  return became;
}

/** What the other process reads from its input. */
export interface AskedRestore {
  packed: PackedTree;
  target: string;
  choice: RestoreChoice;
}

/** The same by another process, which `through` starts: as another user, or in a namespace. */
export function restoreThrough(
  through: readonly string[],
  packed: PackedTree,
  target: string,
  choice: RestoreChoice = {},
): Became[] {
  const input = JSON.stringify({ packed, target, choice } satisfies AskedRestore);
  const own = fileURLToPath(new URL('./restore-process.js', import.meta.url));
  const [program = '', ...args] = [...through, process.execPath, own];
  const { stdout, stderr, status } = spawnSync(program, args, { input, encoding: 'utf8', cwd: '/' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Became[];
}
