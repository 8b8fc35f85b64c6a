import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { setsInProcess } from '../support/sets-in-process.js';
import { tempFolder, writeTree } from '../support/trees.js';

const lacks = ['rsync', 'tar'].find((program) => spawnSync(program, ['--version']).status !== 0);

/** The commands that docs/recovery.md gives for a chain of sets, for these sets and folders. */
function commandsFor(tape: string, target: string, sets: readonly string[]): string {
  const page = readFileSync(path.join(projectDir, 'docs', 'recovery.md'), 'utf8');
  const [, block] = /^With tar alone[^]*?^```\n([^]*?)^```$/m.exec(page) ?? [];
  assert.ok(block !== undefined, 'docs/recovery.md has the commands');
  return block
    .replaceAll('/mnt/lto1', tape)
    .replaceAll('/restore', target)
    .replace('2026-11_000001 2026-11_000002', sets.join(' '));
}

test(
  'the commands of docs/recovery.md for a chain give the tree of each of its sets, with tar alone',
  { skip: lacks === undefined ? false : `needs ${lacks}` },
  async (t) => {
    const sets = await setsInProcess(t, { MAX_GROUP_FILES: '5' });
    const source = tempFolder(t);
    const at = (name: string) => path.join(source, name);
    const made: { id: string; tree: string }[] = [];
    const backUp = async (mode: string) => {
      const { setId, status } = await sets.backUp(source, mode);
      assert.equal(status, 'completed');
      // A file that changed just before a set began is stored again by the next.
      const later = { created_at: Date.now() + 60_000 };
      await sets.catalog.updateTable('sets').set(later).where('id', '=', setId).execute();
      const tree = path.join(tempFolder(t), 'tree');
      execFileSync('cp', ['-a', source, tree]);
      made.push({ id: setId, tree });
    };
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'gone', 'name with blanks ', 'ä&$(b)', 'changes'];
    writeTree(source, Object.fromEntries(names.map((name) => [`d/${name}`, name])));
    mkdirSync(at('d/folder that goes/below'), { recursive: true });
    writeTree(source, { 'moved/x': 'x', 'z/last': 'last' });
    for (const [name, target] of [
      ['link', 'a'],
      ['link that goes', 'b'],
    ] as const)
      symlinkSync(target, at(`d/${name}`));
    linkSync(at('d/b'), at('d/b too'));
    linkSync(at('d/c'), at('d/c too'));
    linkSync(at('d/e'), at('outside'));
    utimesSync(at('d/a'), 1e9, 1e9);
    await backUp('full');
    writeTree(source, { 'd/changes': 'changed', 'd/new': 'new', 'moved/y': 'y' });
    for (const name of ['gone', 'link that goes', 'b too', 'c', 'c too', 'folder that goes', 'e'])
      rmSync(at(`d/${name}`), { recursive: true });
    rmSync(at('outside'));
    chmodSync(at('d/d'), 0o600);
    if (process.getuid?.() === 0) chownSync(at('d/name with blanks '), 1234, 4321);
    utimesSync(at('d/ä&$(b)'), 1e9, 1_234_567_890.125);
    linkSync(at('d/f'), at('d/f too'));
    lutimesSync(at('d/link'), 1e9, 1e9);
    await backUp('incremental');
    writeTree(source, { 'd/changes': 'changed again', 'd/gone': 'back again' });
    rmSync(at('moved'), { recursive: true });
    rmSync(at('d/link'));
    mkdirSync(at('d/link'));
    rmSync(at('d/new'));
    rmSync(at('z/last'));
    await backUp('incremental');
    for (const [no, { tree }] of made.entries()) {
      const target = path.join(tempFolder(t), 'restored');
      const chain = made.slice(0, no + 1).map(({ id }) => id);
      const { status, stderr } = spawnSync('sh', ['-c', commandsFor(sets.tapeDir, target, chain)], {
        encoding: 'utf8',
      });
      assert.deepEqual([status, stderr], [0, '']);
      const compare = [
        '-aHAXn',
        '--checksum',
        '--itemize-changes',
        '--delete',
        `${tree}/`,
        `${target}${source}/`,
      ];
      assert.equal(execFileSync('rsync', compare, { encoding: 'utf8' }), '', `set ${no + 1} of the chain`);
    }
  },
);
