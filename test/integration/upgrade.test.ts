import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Connection } from '@temporalio/client';
import { projectVersion } from '../../config/project-dir.js';
import { readHostFile, type HostFile } from '../../embedded/host-file.js';
import { Installation } from '../support/installation.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('server and workers of another version are replaced by a newer command, and never by an older one', async (t) => {
  const installation = await Installation.make(t);
  const { dataDir } = installation;
  const [source, other] = [tempFolder(t), tempFolder(t)];
  for (const folder of [source, other]) writeTree(folder, { file: noise(30_000, folder) });
  const file = path.join(dataDir, 'host.json');
  const running = () => {
    const host = readHostFile(dataDir);
    assert.ok(host);
    return host;
  };
  const runsWith = (program: string | undefined) =>
    writeFileSync(file, JSON.stringify({ ...running(), program } satisfies HostFile | object));
  const succeed = async (...args: string[]) => {
    const { code, stdout, stderr } = await installation.run(args);
    assert.equal(code, 0, stdout + stderr);
    return stdout + stderr;
  };
  await succeed('backup', source, '--detach');
  const first = running();
  assert.equal(first.program, projectVersion);

  // A namespace that a version before has made knows fewer search attributes.
  const connection = await Connection.connect({ address: first.address });
  const names = ['TapeflowInstallation'];
  await connection.operatorService.removeSearchAttributes({ namespace: 'default', searchAttributes: names });
  await connection.close();

  runsWith('99.0.0');
  const refused = await installation.run(['backup', source, '--detach']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /run with tapeflow 99\.0\.0, and this command is of .*Use that version/s);
  assert.equal(running().pid, first.pid, 'a newer one is left alone');

  // Version 0.1 did not tell its own.
  runsWith(undefined);
  const said = await succeed('backup', other, '--detach');
  assert.match(said, /run with tapeflow a version before 0\.2\.0: they are ended, and begin again/);
  const second = running();
  assert.notEqual(second.pid, first.pid);
  assert.equal(second.program, projectVersion);
  assert.equal(second.sticky, true, 'they stay, as those before would have');
  assert.match(readFileSync(file, 'utf8'), /"program"/);

  const states = () => installation.query<{ state: string }>('select state from sets');
  await waitFor(() => states().every(({ state }) => state === 'completed'), 'the sets to be completed');
  await succeed('down');
});
