import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { askedCommand, loadCommands } from '../../client/load-commands.js';
import { projectDir } from '../../config/project-dir.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { ownServer } from '../../workers/server/own-server.js';
import { workerOptions } from '../../workers/processes/worker-process.js';
import { tempFolder } from '../support/trees.js';

const folder = path.join(projectDir, 'deploy', 'systemd');
const units = readdirSync(folder).filter((name) => name.endsWith('.service'));
const textOf = (name: string) => readFileSync(path.join(folder, name), 'utf8');
const valueOf = (name: string, key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(textOf(name))?.[1];

const needsSystemd =
  spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'needs systemd-analyze';

test('systemd finds nothing wrong with the units', { skip: needsSystemd }, (t) => {
  const copies = tempFolder(t);
  for (const name of units) {
    // It looks for the program, which another machine has at another place.
    const text = textOf(name).replaceAll('/usr/bin/node', process.execPath);
    writeFileSync(path.join(copies, name.replace('@', '@lto1')), text);
  }
  const files = readdirSync(copies).map((name) => path.join(copies, name));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
    encoding: 'utf8',
  });
  // Units of the machine itself, which they come after, are looked at too.
  assert.deepEqual(
    stderr.split('\n').filter((line) => line.includes(copies) || line.includes('tapeflow')),
    [],
  );
  assert.equal(status, 0, stderr);
});

test('the units are hardened as far as a backup of every file can be', { skip: needsSystemd }, (t) => {
  const copies = tempFolder(t);
  for (const name of units) {
    const copy = path.join(copies, name.replace('@', '@lto1'));
    writeFileSync(copy, textOf(name));
    const args = ['security', '--offline=true', '--threshold=40', '--no-pager', copy];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    assert.equal(status, 0, `${stdout.split('\n').at(-2)} ${stderr}`);
  }
});

test('each unit runs a whole command of tapeflow, and gives it the time that it takes to end', async () => {
  assert.equal(units.length, 3);
  for (const name of units) {
    const [node, program, ...args] = (valueOf(name, 'ExecStart') ?? '').replaceAll('%i', 'lto1').split(' ');
    assert.deepEqual([node, program], ['/usr/bin/node', '/opt/tapeflow/bin/tapeflow.cjs'], name);
    const tapeflow = new Command('tapeflow');
    await loadCommands(tapeflow, args);
    const command = askedCommand(tapeflow, args);
    assert.equal(command.commands.length, 0, `${args.join(' ')} is no whole command`);
    const rest = args.slice(args.indexOf(command.name()) + 1);
    assert.deepEqual(command.parseOptions(rest).unknown, [], args.join(' '));
    const stop = /^(\d+)min$/.exec(valueOf(name, 'TimeoutStopSec') ?? '')?.[1];
    assert.ok(Number(stop) * 60 > 2 * Number.parseInt(workerOptions.shutdownForceTime), name);
    // These hide files, which a backup would lack, or keep a restore from giving back what there was.
    assert.doesNotMatch(
      textOf(name),
      /^(ProtectHome|ProtectSystem|ProtectKernelModules|Private\w+|ReadOnly\w+|ReadWrite\w+|RestrictSUIDSGID)=/m,
      name,
    );
  }
});

test('the settings beside the units are settings of tapeflow, also those in comments', (t) => {
  const lines = textOf('tapeflow.env').split('\n');
  const settings = lines.flatMap((line) => {
    const [, name = '', value = ''] = /^#?([A-Z_]+)=(.*)$/.exec(line) ?? [];
    return name === '' ? [] : [[name, value] as const];
  });
  assert.ok(settings.length > 10);
  const home = tempFolder(t);
  mkdirSync(path.join(home, 'none'));
  const read = (env: Record<string, string>) => loadSettings(env, path.join(home, 'none'));
  const active = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split('=', 2));
  const given = read(Object.fromEntries(active) as Record<string, string>);
  assert.equal(given.drives[0]?.path, '/mnt/lto1');
  assert.equal(given.TEMPORAL_ADDRESS, undefined, 'the embedded server, until one is named');
  const address = Object.fromEntries(
    settings.filter(([name]) => /^TEMPORAL_(ADDRESS|NAMESPACE)$/.test(name)),
  );
  const { namespace } = ownServer(read({ ...address, HOME: home }), { ...address, HOME: home });
  assert.equal(namespace, 'tapes');
  for (const [name] of settings)
    assert.ok(name.startsWith('TEMPORAL_') || name === 'TAPEFLOW_CONFIG' || name in given.origins, name);
});
