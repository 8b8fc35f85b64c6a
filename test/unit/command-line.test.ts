import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { projectDir } from '../../config/project-dir.js';
import { loadCommands } from '../../client/load-commands.js';
import { cleanEnv } from '../support/installation.js';
import { tempFolder } from '../support/trees.js';

/** Runs `tapeflow`, or another program, in an installation of its own. */
function runner(t: TestContext) {
  const root = tempFolder(t);
  return (args: string[], env: Record<string, string> = {}, program?: string) => {
    const command = program === undefined ? [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args] : args;
    const { stdout, stderr, status } = spawnSync(program ?? process.execPath, command, {
      cwd: projectDir,
      env: {
        ...cleanEnv(),
        TAPEFLOW_DATA_DIR: path.join(root, 'data'),
        BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
        TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
        ...env,
      },
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };
}

/** A program with what `loadCommands` adds for these arguments. */
async function loaded(...args: string[]): Promise<Command> {
  const program = new Command('tapeflow');
  await loadCommands(program, args);
  return program;
}

test('the help tells of each command what the command itself tells, and loads none', async () => {
  const help = new Command().createHelp();
  const shown = await loaded('--help');
  assert.ok(shown.commands.length >= 20);
  for (const stub of shown.commands) {
    assert.equal(stub.options.length, 0, `${stub.name()} was loaded`);
    const one = (await loaded(stub.name())).commands.find((command) => command.name() === stub.name());
    assert.ok(one !== undefined, stub.name());
    assert.equal(one.description(), stub.description());
    assert.notEqual(one.description(), '');
    const argumentsOf = (command: Command) => help.subcommandTerm(command).replace(' [options]', '');
    const hasCommands = one.commands.length > 0;
    assert.equal(argumentsOf(stub), `${argumentsOf(one)}${hasCommands ? ' <command>' : ''}`);
  }
  assert.deepEqual(
    (await loaded('help', 'tape')).commands.map((command) => command.name()),
    ['tape'],
  );
});

test('with --json each error is one object, the last line of stderr, and nothing of it is on stdout', (t) => {
  const run = runner(t);
  const cases: { args: string[]; env?: Record<string, string>; status: number; error: object }[] = [
    {
      args: ['status', '2026-01_000009', '--json'],
      status: 2,
      error: {
        code: 'NoSuchSet',
        message: 'There is no set 2026-01_000009 in the catalog.',
        advice: '`tapeflow sets` lists them.',
        exitCode: 2,
      },
    },
    {
      args: ['--json', 'restore', '2026-01_000009'],
      status: 2,
      error: {
        code: 'WrongTarget',
        message: 'A restore needs --target, --to or --to-original, and takes only one of them.',
        advice: 'Nothing was restored.',
        exitCode: 2,
      },
    },
    {
      args: ['bakup', '--json'],
      status: 2,
      error: {
        code: 'WrongUsage',
        message: "unknown command 'bakup' (Did you mean backup?)",
        advice: null,
        exitCode: 2,
      },
    },
    {
      args: ['--json'],
      status: 2,
      error: { code: 'WrongUsage', message: 'Name a command.', advice: null, exitCode: 2 },
    },
    {
      args: ['sets', '--json'],
      env: { CATALOG_URL: '/dev/null/catalog.db' },
      status: 1,
      error: {},
    },
  ];
  for (const { args, env, status, error } of cases) {
    const result = run(args, env);
    assert.equal(result.status, status, result.stderr);
    assert.equal(result.stdout, '');
    const told = (JSON.parse(result.stderr.trimEnd().split('\n').at(-1) ?? '') as { error: object }).error;
    assert.deepEqual({ ...told, ...error }, told);
    assert.deepEqual(Object.keys(told), ['code', 'message', 'advice', 'exitCode']);
  }
  // What stands behind `--` is no option.
  assert.match(run(['ls', '--', '--json']).stderr, /^tapeflow: There is no set --json/);
});

test('an option that npm has kept for itself is named, and the command does nothing', (t) => {
  const run = runner(t);
  const npm = { npm_package_name: 'tapeflow', npm_lifecycle_event: 'backup' };
  const kept = (args: string[], env: Record<string, string>) => run(args, { ...npm, ...env });

  const swallowed = kept(['backup', '/etc', 'weekly'], {
    npm_config_pool: 'true',
    npm_config_detach: 'true',
  });
  assert.equal(swallowed.status, 2);
  assert.equal(
    swallowed.stderr,
    'tapeflow: npm has kept --pool and --detach for itself. Write `--` before what is meant for tapeflow: `npm run backup -- …`.\n',
  );
  assert.match(kept(['ls', 'x'], { npm_config_r: 'true' }).stderr, /kept --recursive/);
  // A command that lacks what it needs says that npm has it, not that it is missing.
  assert.match(kept(['restore', 'x'], { npm_config_target: '/x' }).stderr, /kept --target/);
  assert.match(kept(['sets'], { npm_config_json: 'true' }).stderr, /kept --json/);

  // npm's own settings: its files may have them, and `false` is empty.
  const rc = path.join(tempFolder(t), 'npmrc');
  writeFileSync(rc, 'fund=false\njson = true\n');
  assert.equal(kept(['sets'], { npm_config_json: 'true', npm_config_userconfig: rc }).status, 0);
  assert.equal(kept(['sets'], { npm_config_json: '' }).status, 0);
  // Not our scripts: somebody else's, that calls tapeflow.
  const other = { npm_package_name: 'other', npm_config_json: 'true' };
  assert.equal(kept(['sets'], other).status, 0);

  const real = run(['run', 'tapeflow', 'sets', '--json'], {}, 'npm');
  assert.equal(real.status, 2, real.stdout + real.stderr);
  assert.match(real.stderr, /kept --json for itself\. .*`npm run tapeflow -- …`/);
  const noted = run(['run', 'tapeflow', '--', 'sets', '--json'], {}, 'npm');
  assert.match(noted.stderr, /"note":"npm's own lines stand before this JSON: `npm run -s tapeflow -- …`/);
  assert.equal(noted.status, 0);
  const silent = run(['run', '-s', 'tapeflow', '--', 'sets', '--json'], {}, 'npm');
  assert.deepEqual(silent, { status: 0, stdout: '', stderr: '' });
});
