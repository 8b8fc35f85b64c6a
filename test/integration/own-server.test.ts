import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import { tempFolder, writeTree } from '../support/trees.js';

test('with a server of one’s own: what is missing there is named, many sources start, and nothing of the embedded one is told', async (t) => {
  const source = tempFolder(t);
  const installation = await Installation.make(t);
  const server = await OwnServer.start(t, installation);
  const run = (args: string[], namespace = 'default') =>
    installation.run(args, { ...server.env, TEMPORAL_NAMESPACE: namespace });

  for (const command of [
    ['backup', source],
    ['worker', 'archive'],
    ['worker', 'tape', '--drive', 'lto1'],
  ]) {
    const { code, stderr } = await run(command, 'nosuch');
    assert.equal(code, 1, `${command.join(' ')}: ${stderr}`);
    assert.match(stderr, /has no namespace nosuch. Make it/);
    assert.doesNotMatch(stderr, /search attribute|Status \{|::/);
  }
  assert.deepEqual(installation.query('select id from sets'), [], 'no set was left behind');

  const address = server.env.TEMPORAL_ADDRESS;
  const { workflowService } = server.environment.connection;
  await workflowService.registerNamespace({
    namespace: 'fresh',
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  writeTree(
    source,
    Object.fromEntries(Array.from({ length: 40 }, (_, no) => [`磁带备份${'长'.repeat(60)}${no}/f`, 'x'])),
  );
  const many = Array.from({ length: 40 }, (_, no) => path.join(source, `磁带备份${'长'.repeat(60)}${no}`));
  const { code, stdout, stderr } = await run(['backup', '--detach', ...many], 'fresh');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Set \S+ has started/);
  assert.ok(!stdout.includes(address) && !/Temporal UI|down/.test(stdout), stdout);
});
