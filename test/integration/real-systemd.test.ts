import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { temporalCli } from '../support/installation.js';
import { SystemdMachine } from '../support/systemd-machine.js';
import { longTest } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test(
  'under a real systemd the service is ready when it says so, comes back when it is killed, and sees what is mounted later',
  { skip: longTest },
  async (t) => {
    const machine = await SystemdMachine.start(t);
    if (machine === undefined) return;
    const cli = await temporalCli();
    const shell = (line: string) => {
      const { status, stdout, stderr } = machine.run('bash', ['-c', line]);
      assert.equal(status, 0, `${line}: ${stdout}${stderr}`);
      return stdout.trim();
    };
    const settings = [
      'TAPEFLOW_DATA_DIR=/srv/data',
      'BACKUP_COMPRESS_DIR=/srv/staging',
      `TEMPORAL_CLI_PATH=${cli}`,
    ];
    shell(`mkdir -p /etc/tapeflow && printf '%s\\n' ${settings.join(' ')} >/etc/tapeflow/tapeflow.env`);
    const env = Object.fromEntries(settings.map((line) => line.split('=') as [string, string]));
    const tapeflow = (...args: string[]) =>
      machine.run(process.execPath, [path.join(projectDir, 'bin', 'tapeflow.cjs'), ...args], env);
    const shows = (property: string) => shell(`systemctl show --value -p ${property} tapeflow-up`);

    const installed = tapeflow('service', 'install');
    assert.equal(installed.status, 0, installed.stderr);
    // `enable --now` returns when the service has said that it is ready.
    assert.equal(shows('ActiveState'), 'active');
    assert.match(tapeflow('doctor', '--workers', 'archive').stdout, /archive/);
    assert.match(shell('systemd-analyze security --no-pager tapeflow-up'), /level for .*: [0-3]\.\d OK/);

    // A file system that comes while the service runs, as a tape does.
    shell('mkdir -p /srv/late /srv/back && mount -t tmpfs tmpfs /srv/late && echo late >/srv/late/file');
    const backup = tapeflow('backup', '/srv/late', '--json');
    assert.equal(backup.status, 0, backup.stdout + backup.stderr);
    const restore = tapeflow('restore', 'latest', '--path', '/srv/late', '--target', '/srv/back');
    assert.equal(restore.status, 0, restore.stderr);
    assert.equal(shell('cat /srv/back/srv/late/file'), 'late');
    shell('umount /srv/late');

    const detached = tapeflow('backup', '/srv/back', '--detach');
    assert.equal(detached.status, 0, detached.stderr);
    assert.doesNotMatch(detached.stdout, /tapeflow down/);
    const down = tapeflow('down');
    assert.equal(down.status, 2);
    assert.match(down.stderr, /`systemctl stop tapeflow-up\.service` stops it\./);

    const killed = Number(shows('MainPID'));
    shell('systemctl kill --signal KILL --kill-whom main tapeflow-up');
    await waitFor(
      () => shows('ActiveState') === 'active' && Number(shows('MainPID')) !== killed,
      'it is back',
    );
    assert.equal(shows('NRestarts'), '1');

    shell('systemctl stop tapeflow-up');
    assert.equal(shows('Result'), 'success');
    assert.equal(shows('ExecMainStatus'), '0');
    const removed = tapeflow('service', 'remove');
    assert.equal(removed.status, 0, removed.stderr);
    assert.equal(machine.run('systemctl', ['status', 'tapeflow-up']).status, 4);
  },
);
