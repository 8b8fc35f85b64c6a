// Which files `npm test` runs. Plain Node without packages.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The files of tests, as their sources are named: one whose source was deleted may live on in dist/. */
export function testFiles() {
  return ['unit', 'integration', 'faults'].flatMap((folder) =>
    readdirSync(path.join(root, 'test', folder))
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => `test/${folder}/${name}`),
  );
}

/**
 * Files under test/unit/ that have a process of their own: they change or measure what belongs to the whole process
 * (language, user, umask, open files, priorities of threads), or leave a step behind in it that hangs.
 */
const wholeProcess = [
  'handles',
  'help-in-chinese',
  'restored-attributes',
  'shared-group',
  'silent-source',
  'silent-step',
  'silent-steps',
  'thread-priority',
  'translator',
];

/** Those that take as long as ten others. */
const long = [
  'archive',
  'bad-block-alone',
  'bad-blocks',
  'catalog-readers',
  'chosen-restores',
  'codec',
  'command-line',
  'completion',
  'copies',
  'encrypted-sets',
  'end-marks',
  'entry-lists',
  'existing-target',
  'folded-restore',
  'folded-sets',
  'holes',
  'hostile',
  'incremental',
  'larger-than-tape',
  'layers',
  'messages',
  'only-metadata',
  'plan',
  'read-base',
  'rebuilt-chains',
  'rebuilt-erase',
  'rebuilt-pools',
  'restore-to-host',
  'shrunk-source',
  'special-files',
  'taken',
  'tape-format',
  'tape-states',
  'twice',
];

const alone = new Set([...wholeProcess, ...long]);

/** How many processes the other files under test/unit/ share: to start one takes longer than most of the files do. */
const sharedProcesses = 8;

/** What `npm test` starts a process for, by the name of its bundled file; to each the files of tests in it. */
export function testProcesses() {
  const isAlone = (file) => path.dirname(file) !== 'test/unit' || alone.has(path.basename(file, '.test.ts'));
  const files = testFiles();
  const shared = files.filter((file) => !isAlone(file));
  const groups = Array.from({ length: sharedProcesses }, (_, group) => [
    `shared-${group + 1}.test`,
    shared.filter((_, index) => index % sharedProcesses === group),
  ]);
  return new Map([...files.filter(isAlone).map((file) => [bundledName(file), [file]]), ...groups]);
}

/** The folder of dist/ with the bundled tests. */
export const bundledTests = 'bundled-tests';

/** What the bundled file of one is called: of `test/unit/plan.test.ts`, `unit-plan.test`. */
export function bundledName(file) {
  return `${path.basename(path.dirname(file))}-${path.basename(file, '.ts')}`;
}
