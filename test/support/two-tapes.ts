import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { endMarkName } from '../../entry/archive-name.js';
import { Installation } from './installation.js';
import { tempFolder } from './trees.js';

/** Names of the archives and manifests that a set has on a tape, in order. */
export function namesOf(tape: string, setId: string): string[] {
  return readdirSync(path.join(tape, setId))
    .filter((name) => name !== endMarkName(setId))
    .sort();
}

/** What the end mark of a set on a tape tells. */
export function endMarkOn(tape: string, setId: string) {
  return JSON.parse(readFileSync(path.join(tape, setId, endMarkName(setId)), 'utf8')) as {
    groups: number;
    entries: number;
    without: [number, number][];
  };
}

/** Both tapes hold the same files of the set, byte for byte, as many archives as said, each with its manifest. */
export function assertSameOnBoth(tapes: readonly string[], setId: string, archives: number): void {
  const [first = '', ...others] = tapes;
  const names = namesOf(first, setId);
  for (const tape of tapes) assert.equal(endMarkOn(tape, setId).groups, archives);
  assert.equal(names.length, archives * 2, names.join(', '));
  for (const other of others) {
    assert.deepEqual(namesOf(other, setId), names);
    for (const name of names) {
      const same = readFileSync(path.join(other, setId, name)).equals(
        readFileSync(path.join(first, setId, name)),
      );
      assert.ok(same, `${name} is the same on both tapes`);
    }
  }
}

/**
 * An installation with the drives `lto1` and `lto2`, folders in which the tapes A1 of pool A and B1 of pool B are.
 *
 * @param second folder of `lto2`, if it is to be another.
 */
export async function twoDrives(t: TestContext, env: Record<string, string> = {}, second?: string) {
  const root = tempFolder(t);
  const tapes = [path.join(root, 'tape-a'), second ?? path.join(root, 'tape-b')] as const;
  for (const tape of tapes) mkdirSync(tape, { recursive: true });
  const config = path.join(root, 'tapeflow.config.json');
  writeFileSync(config, JSON.stringify({ drives: { lto1: { path: tapes[0] }, lto2: { path: tapes[1] } } }));
  const installation = await Installation.make(t, { TAPEFLOW_CONFIG: config, ...env });
  for (const [name, drive] of [
    ['A1', 'lto1'],
    ['B1', 'lto2'],
  ] as const) {
    const args = ['tape', 'label', name, '--pool', name.slice(0, 1), '--drive', drive];
    const { code, stderr } = await installation.run(args);
    assert.equal(code, 0, stderr);
  }
  return { installation, tapes };
}

/** One drive, a folder, into which tapes are loaded by renaming: for whoever may not mount. */
export class FolderDrive {
  readonly path: string;
  private loaded: string | undefined;

  constructor(private readonly root: string) {
    this.path = path.join(root, 'drive');
  }

  static in(t: TestContext): FolderDrive {
    return new FolderDrive(tempFolder(t));
  }

  /** Where a tape is now. */
  at(tape: string): string {
    return this.loaded === tape ? this.path : path.join(this.root, tape);
  }

  /** Takes out what is in the drive, and puts the tape in; a new one if there is none of that name. */
  load(tape: string): void {
    this.unload();
    const shelf = path.join(this.root, tape);
    mkdirSync(shelf, { recursive: true });
    renameSync(shelf, this.path);
    this.loaded = tape;
  }

  unload(): void {
    if (this.loaded !== undefined) renameSync(this.path, path.join(this.root, this.loaded));
    this.loaded = undefined;
  }
}

/** One drive for the tapes A1 of pool A and B1 of pool B, of which the first is in it. */
export async function oneDrive(t: TestContext, env: Record<string, string> = {}) {
  const drive = FolderDrive.in(t);
  const installation = await Installation.make(t, { TAPE_PATH: drive.path, ...env });
  for (const name of ['B1', 'A1']) {
    drive.load(name);
    const { code, stderr } = await installation.run(['tape', 'label', name, '--pool', name.slice(0, 1)]);
    assert.equal(code, 0, stderr);
  }
  return { installation, drive };
}
