import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { connectClient } from '../../workers/server/connect-client.js';
import { Installation } from '../support/installation.js';
import { Cable, OwnServer } from '../support/own-server.js';
import { Certificates, needsOpenssl, tlsInFrontOf } from '../support/temporal-tls.js';
import { assertSameTree, noise, tempFolder, writeTree } from '../support/trees.js';

/** A server without any of the switches of the embedded one: its task queues have as many partitions as elsewhere. */
const usual = ['Read', 'Write'].flatMap((kind) => [
  '--dynamic-config-value',
  `matching.numTaskqueue${kind}Partitions=4`,
]);

test('with a server of one’s own: what is missing there is named, and nothing of the embedded one is told', async (t) => {
  const source = tempFolder(t);
  const installation = await Installation.make(t);
  const server = await OwnServer.start(t, installation, usual);
  const run = (args: string[], namespace = 'default') =>
    installation.run(args, { ...server.env, TEMPORAL_NAMESPACE: namespace });

  await t.test(
    'a call that a closed connection still has is not tried again when the server goes',
    async (t) => {
      const cable = await Cable.to(t, server.env.TEMPORAL_ADDRESS);
      const connection = await connectClient({ address: cable.address });
      const { workflowService } = connection;
      const asked = connection.withDeadline(Date.now() + 60_000, () =>
        workflowService.pollWorkflowTaskQueue({ namespace: 'default', taskQueue: { name: 'nobody' } }),
      );
      const ended = assert.rejects(asked, /UNAVAILABLE/);
      // It is under way when the server has answered what was asked behind it.
      await workflowService.getSystemInfo({});
      await connection.close();
      cable.hangUp();
      await ended;
    },
  );

  await t.test('a namespace', async () => {
    const found = await Promise.all(
      [
        ['backup', source],
        ['worker', 'archive'],
        ['worker', 'tape', '--drive', 'lto1'],
      ].map(async (command) => ({ command, ...(await run(command, 'nosuch')) })),
    );
    for (const { command, code, stderr } of found) {
      assert.equal(code, 1, `${command.join(' ')}: ${stderr}`);
      assert.match(stderr, /has no namespace nosuch. Make it with `tapeflow admin setup`/);
      assert.doesNotMatch(stderr, /search attribute|Status \{|::/);
    }
    assert.deepEqual(installation.query('select id from sets'), [], 'no set was left behind');
  });

  await t.test('search attributes; and many sources start, since `backup` adds them', async () => {
    const address = server.env.TEMPORAL_ADDRESS;
    const { workflowService } = server.environment.connection;
    await workflowService.registerNamespace({
      namespace: 'fresh',
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    const { stdout: looked } = await run(['doctor'], 'fresh');
    assert.match(
      looked,
      /TROUBLE {2}search attributes: the namespace fresh lacks TapeflowSet, TapeflowSource, /,
    );
    assert.match(looked, /ok {7}namespace fresh: keeps what has ended for 1 d/);
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
});

test(
  'a server with TLS for known clients only, by a profile: `admin setup` prepares it, and a set goes to tape and back',
  { skip: needsOpenssl },
  async (t) => {
    const installation = await Installation.make(t);
    const server = await OwnServer.start(t, installation, usual);
    const profile = await profileOf(t, server.env.TEMPORAL_ADDRESS);
    // An empty address is none: the profile has it.
    const env = { TEMPORAL_CONFIG_FILE: profile, TEMPORAL_PROFILE: 'office', TEMPORAL_ADDRESS: '' };
    const setUp = (...flags: string[]) =>
      installation.json<{
        namespace: unknown;
        attributes: { name: string; type: string; outcome: string }[];
      }>(['admin', 'setup', ...flags], env);

    const first = await setUp();
    assert.deepEqual(first.namespace, { name: 'tapes', outcome: 'made', retentionSeconds: 30 * 86_400 });
    assert.deepEqual(
      first.attributes.map(({ name, type, outcome }) => `${name} ${type} ${outcome}`),
      [
        'TapeflowSet Keyword added',
        'TapeflowSource KeywordList added',
        ...['Pool', 'Drive', 'Phase', 'Installation'].map((name) => `Tapeflow${name} Keyword added`),
      ],
    );
    const [archive, tape, again] = await Promise.all([
      server.worker(['archive'], env),
      server.worker(['tape', '--drive', 'lto1'], env),
      setUp('--retention', '7d'),
    ]);
    assert.deepEqual(again.namespace, { name: 'tapes', outcome: 'changed', retentionSeconds: 7 * 86_400 });
    assert.ok(again.attributes.every(({ outcome }) => outcome === 'there'));

    const source = tempFolder(t);
    writeTree(source, { a: noise(300_000, 'a'), 'b/c': 'text', 'b/d': noise(70_000, 'd') });
    const backup = await installation.json<{ setId: string; status: string }>(['backup', source], {
      ...env,
      MAX_GROUP_SIZE: '200000',
    });
    assert.equal(backup.status, 'completed');
    const target = tempFolder(t);
    const restored = await installation.run(['restore', backup.setId, '--target', target], env);
    assert.equal(restored.code, 0, restored.stderr);
    assertSameTree(path.join(target, source), source, { folderTimes: true });

    const { stdout } = await installation.run(['doctor'], env);
    assert.match(stdout, /namespace tapes, profile office of \S+, TLS with a client certificate/);
    assert.match(stdout, /ok {7}namespace tapes: keeps what has ended for 7 d/);
    assert.match(stdout, /ok {7}search attributes: all 6 are there/);
    await Promise.all([archive.stop(), tape.stop()]);
  },
);

/** A file of Temporal's profiles for a server behind TLS that lets in only whom its CA knows. */
async function profileOf(t: TestContext, address: string): Promise<string> {
  const folder = tempFolder(t);
  const certificates = new Certificates(folder);
  const client = certificates.issue('client');
  const secret = await tlsInFrontOf(t, address, certificates.issue('server'), certificates.ca.cert);
  const file = path.join(folder, 'temporal.toml');
  writeFileSync(
    file,
    [
      ...['[profile.office]', `address = "${secret}"`, 'namespace = "tapes"'],
      ...['[profile.office.tls]', `server_ca_cert_path = "${certificates.ca.cert}"`],
      ...[`client_cert_path = "${client.cert}"`, `client_key_path = "${client.key}"`, ''],
    ].join('\n'),
  );
  return file;
}
