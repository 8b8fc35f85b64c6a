import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Connection } from '@temporalio/client';
import { projectDir, projectVersion } from '../../config/project-dir.js';
import { readHostFile, type HostFile } from '../../embedded/host-file.js';
import { checkSet } from '../support/check-set.js';
import { otherProgram } from '../support/former-program.js';
import { Installation } from '../support/installation.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

test('server and workers of another version are replaced by a newer command, and never by an older one; a set whose history does not replay goes on from the catalog', async (t) => {
  const tape = path.join(tempFolder(t), 'tape');
  const installation = await Installation.make(t, { TAPE_PATH: tape, LOOK_AFTER_SECONDS: '0.2' });
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
  const states = () => installation.query<{ state: string }>('select state from sets order by id');
  installation.program = otherProgram(t);
  await succeed('backup', source, '--detach');
  await waitFor(() => states()[0]?.state === 'waiting_for_tape', 'the set of the other version to wait');
  installation.program = projectDir;
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
  assert.match(said, /run with tapeflow a version before 0\.2\.0: they are stopped and started again/);
  const second = running();
  assert.notEqual(second.pid, first.pid);
  assert.equal(second.program, projectVersion);
  assert.equal(second.sticky, true, 'they stay, as those before would have');
  assert.match(readFileSync(file, 'utf8'), /"program"/);

  const resumed = () =>
    installation.query<{ set_id: string; detail: string }>(
      `select set_id, detail from events where stage = 'taken_up'`,
    );
  mkdirSync(tape);
  await succeed('tape', 'label', 'TAPE1');
  await waitFor(() => states().every(({ state }) => state === 'completed'), 'the sets to be completed');
  await succeed('down');
  const [{ set_id: setId = '', detail = '' } = {}, ...again] = resumed();
  assert.match(detail, /nondeterminis/i, 'its history did not replay');
  assert.deepEqual(again, [], 'once is enough');
  const catalog = path.join(dataDir, 'catalog.db');
  const places = { catalog, staging: installation.stagingDir, tape, source };
  assert.deepEqual(checkSet(places, setId, 1), []);
});
