import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openCatalog } from '../../catalog/open-catalog.js';
import { insertSchedule } from '../../catalog/server/schedules.js';
import { commandTree } from '../../client/command-tree.js';
import { completedLine } from '../../client/completion/completed.js';
import { readShellLine } from '../../client/completion/shell-line.js';
import { manualPage } from '../../client/print/manual-page.js';
import { wholeProgram } from '../../client/program.js';
import { projectDir, projectVersion } from '../../config/project-dir.js';
import { cleanEnv } from '../support/installation.js';
import { begin } from '../support/scanned-sets.js';
import { tempFolder } from '../support/trees.js';

const tree = commandTree(await wholeProgram());
const program = path.join(projectDir, 'bin', 'tapeflow.cjs');
const hasNo = (command: string) =>
  spawnSync(command, ['--version']).status === 0 ? false : `needs ${command}`;

/** An installation with two sets, of which one has a source with a space and a quote, and a schedule. */
async function installed(t: TestContext) {
  const root = tempFolder(t);
  const data = path.join(root, 'data');
  const bin = path.join(root, 'bin');
  mkdirSync(data);
  mkdirSync(bin);
  writeFileSync(path.join(bin, 'tapeflow'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, {
    mode: 0o755,
  });
  const catalog = await openCatalog(path.join(data, 'catalog.db'));
  const sources = [`/srv/it's my data`, '/srv/plain'];
  for (const source of sources) await begin(catalog, 'full', source);
  const schedule = { name: 'nightly', cron: '0 2 * * *', zone: 'UTC', command: 'backup', arguments: '{}' };
  await insertSchedule(catalog, schedule, { replace: false });
  await catalog.destroy();
  const env = {
    ...cleanEnv(),
    PATH: `${bin}:${process.env['PATH']}`,
    TAPEFLOW_DATA_DIR: data,
    TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
    HOME: root,
  };
  return { root, env };
}

/** What bash has found for a line with the cursor at its end, through the script that `completion bash` prints. */
function bashFinds(line: string, env: NodeJS.ProcessEnv): string[] {
  // As readline calls it; the words of the line do not matter to the script.
  const script = `
    source <(tapeflow completion bash)
    compopt() { echo "option: $*"; }
    COMP_LINE=$1 COMP_POINT=\${#1}
    _tapeflow tapeflow
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, 'bash', line], {
    env,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((found) => found !== '');
}

/** The line of an interactive bash after Tab, as readline has it then. */
function lineAfterTab(line: string, { root, env }: Awaited<ReturnType<typeof installed>>): string {
  const rc = path.join(root, 'bashrc');
  const out = path.join(root, 'line');
  // Ctrl-T tells the line, and ends the shell: keys are handled one after the other.
  writeFileSync(
    rc,
    `source <(tapeflow completion bash)\nbind -x '"\\C-t": printf %s "$READLINE_LINE" > ${out}; kill -9 $$'\n`,
  );
  spawnSync('script', ['-qec', `bash --noprofile --rcfile ${rc} -i`, '/dev/null'], {
    env: { ...env, TERM: 'dumb', INPUTRC: '/dev/null' },
    input: `${line}\t\x14`,
  });
  return readFileSync(out, 'utf8');
}

test('a line of bash is read as its words, and nothing in it is run', () => {
  const wordsOf = (line: string) => readShellLine(line, `"'><=;|&(:`);
  assert.deepEqual(wordsOf('tapeflow status '), { words: ['tapeflow', 'status', ''], kept: 0 });
  assert.deepEqual(wordsOf(`a 'b c' "d \\" \\e" f\\ g`).words, ['a', 'b c', 'd " \\e', 'f g']);
  assert.deepEqual(wordsOf(`a "open $(rm x)`).words, ['a', 'open $(rm x)']);
  assert.deepEqual(wordsOf('a --drive=lt'), { words: ['a', '--drive=lt'], kept: 8 });
  assert.deepEqual(wordsOf('a "fs1:/s'), { words: ['a', 'fs1:/s'], kept: 0 });
});

test('what completes a line comes from the definitions that the help is made from', () => {
  const at = (...words: string[]) => completedLine(tree, words);
  const shown = (...words: string[]) => at(...words).words.map(({ word }) => word);
  assert.deepEqual(shown('sche'), ['schedule']);
  assert.ok(shown('').includes('backup') && !shown('').includes('embedded-host'));
  assert.deepEqual(shown('tape', 'l'), ['label', 'list', 'lost']);
  assert.deepEqual(shown('restore', '--to'), ['--to', '--to-original']);
  assert.deepEqual(shown('help', 'ver'), ['verify']);
  assert.equal(at('status', '').value, 'set');
  assert.equal(at('ls', '-r', '').value, 'set');
  assert.equal(at('ls', 'SET', '').value, 'path');
  assert.equal(at('backup', '/a', '/b', '').value, 'path');
  assert.equal(at('tape', 'erase', '').value, 'tape');
  assert.equal(at('tape', 'erase', '--drive', '').value, 'drive');
  assert.deepEqual(at('tape', 'erase', '--drive=l'), {
    words: [],
    value: 'drive',
    before: '--drive=',
    begun: 'l',
  });
  assert.equal(at('schedule', 'run', '').value, 'schedule');
  // Behind `--` begins the line that the schedule runs.
  assert.deepEqual(shown('schedule', 'add', 'x', '--', 'tape', 'co'), ['copy']);
  assert.equal(at('schedule', 'add', 'x', '--', 'backup', '--pool', '').value, 'pool');
});

test('every value that the help names is a known kind, a file, or something that nobody can list', async () => {
  const { kinds } = await import('../../client/completion/values.js');
  const free = new Set(
    [
      'command',
      'date',
      'expression',
      'from=to',
      'glob',
      'host:folder',
      'id',
      'name',
      'number',
      'percent',
      'size',
    ].concat('time'),
  );
  const check = (command: typeof tree) => {
    for (const word of [
      ...command.arguments.map(({ name }) => name),
      ...command.options.flatMap(({ value }) => (value === undefined ? [] : [value])),
    ])
      assert.ok(kinds.has(word) || free.has(word), `${command.name}: ${word}`);
    for (const child of command.commands) check(child);
  };
  check(tree);
});

test('bash completes commands, options and the names in the catalog', { skip: hasNo('bash') }, async (t) => {
  const { env } = await installed(t);
  const finds = (line: string) => bashFinds(line, env);
  assert.deepEqual(finds('tapeflow sched'), ['schedule']);
  assert.deepEqual(finds('tapeflow status '), finds('tapeflow status 20'));
  assert.equal(finds('tapeflow status ').length, 2);
  assert.deepEqual(finds('tapeflow tape erase --drive='), ['lto1']);
  assert.deepEqual(finds('tapeflow schedule pause n'), ['nightly']);
  assert.deepEqual(finds('tapeflow status none'), []);
  // With readline's own quoting, because of the space and the quote.
  assert.deepEqual(finds('tapeflow verify --latest /srv/i'), ['option: -o filenames', `/srv/it's my data`]);
  assert.deepEqual(finds(`tapeflow verify --latest "/srv/it's m`), [
    'option: -o filenames',
    `/srv/it's my data`,
  ]);
  assert.deepEqual(finds('tapeflow backup /et'), ['option: -o default']);
  assert.deepEqual(finds('tapeflow restore SET --target '), ['option: -o dirnames']);
  // What is typed is never run.
  const mark = path.join(env.HOME, 'mark');
  finds(`tapeflow status $(touch ${mark}) \`touch ${mark}\` `);
  assert.throws(() => readFileSync(mark), { code: 'ENOENT' });
});

test(
  'a name with a space and a quote is written so that bash takes it as one word',
  {
    skip: hasNo('bash') || hasNo('script'),
  },
  async (t) => {
    const place = await installed(t);
    const wordAfter = (line: string) => {
      const done = lineAfterTab(line, place);
      const words = spawnSync('bash', ['-c', `set -- ${done}; printf '%s\\n' "$@"`], { encoding: 'utf8' });
      return words.stdout.split('\n').at(-2);
    };
    assert.equal(wordAfter('tapeflow verify --latest /srv/i'), `/srv/it's my data`);
    assert.equal(wordAfter('tapeflow verify --latest "/srv/it'), `/srv/it's my data`);
    assert.equal(wordAfter('tapeflow tape erase --drive=l'), '--drive=lto1');
  },
);

test('zsh and fish read their scripts', async (t) => {
  const { env } = await installed(t);
  for (const [shell, check] of [
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ] as const) {
    const script = spawnSync('tapeflow', ['completion', shell], { env, encoding: 'utf8' }).stdout;
    assert.match(script, /complete-words/);
    if (hasNo(shell) !== false) continue;
    const read = spawnSync(shell, [check], { env, input: script, encoding: 'utf8' });
    assert.deepEqual([read.status, read.stderr], [0, '']);
  }
  if (hasNo('fish') === false) {
    const script =
      'tapeflow completion fish | source; complete -C \'tapeflow schedule pause n\'; complete -C "tapeflow verify --latest /srv/i"';
    const { stdout } = spawnSync('fish', ['--no-config', '-c', script], { env, encoding: 'utf8' });
    assert.equal(stdout, `nightly\t0 2 * * *\n/srv/it\\'s\\ my\\ data\n`);
  }
});

test('the manual page has every command, and roff has nothing to say about it', (t) => {
  const page = manualPage(tree, projectVersion);
  for (const command of ['backup', 'tape erase', 'schedule add', 'completion'])
    assert.match(page, new RegExp(`\\.SS "tapeflow ${command}[ "]`));
  assert.doesNotMatch(page, /embedded/);
  assert.doesNotMatch(page, /[^\0-\x7f]/);
  const printed = spawnSync(process.execPath, [program, 'man'], { env: cleanEnv(), encoding: 'utf8' });
  assert.equal(printed.stdout, page, 'scripts/build.mjs has written an older one');
  if (hasNo('groff') !== false) return t.diagnostic('needs groff');
  const shown = spawnSync('groff', ['-ww', '-man', '-Tascii', '-P-c'], { input: page, encoding: 'utf8' });
  assert.equal(shown.stderr, '');
  assert.match(shown.stdout.replace(/\s+/g, ' '), /take the paths in a file too, one on each line/);
});
