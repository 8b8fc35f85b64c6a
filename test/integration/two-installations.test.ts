import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/common';
import Database from 'better-sqlite3';
import { firstAttributes } from '../../workflows/messages.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { queuesOf } from '../../workflows/queues.js';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import { setId } from '../support/own-set.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** One of two installations on one server: its commands and workers. */
async function one(t: TestContext, name: string, address: () => string) {
  const installation = await Installation.make(t, { LOOK_AFTER_SECONDS: '0' });
  const source = tempFolder(t);
  writeTree(source, { file: noise(60_000, name) });
  const env = () => ({ TEMPORAL_ADDRESS: address() });
  const run = async (args: string[], code = 0) => {
    const finished = await installation.run(args, env());
    assert.equal(finished.code, code, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished.stdout + finished.stderr;
  };
  const state = (id: string) =>
    installation.query<{ state: string }>('select state from sets where id = ?', id)[0]?.state;
  return {
    ...{ installation, source, run, state },
    begin: (id: string) => run(['backup', source, '--set', id, '--detach']),
    is: (id: string, wanted: string) => waitFor(() => state(id) === wanted, `set ${id} to be ${wanted}`),
    staged: (id: string) => {
      const folder = path.join(installation.stagingDir, 'final', id);
      return existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.tar.gz')).length : 0;
    },
    work: async (...args: string[]) => {
      const worker = installation.start(['worker', ...args], env());
      await waitFor(() => worker.output().includes('worker runs'), 'the worker to run');
    },
    edit: (sql: string, ...values: unknown[]) => {
      const database = new Database(path.join(installation.dataDir, 'catalog.db'));
      database.prepare(sql).run(...values);
      database.close();
    },
  };
}

test(
  'two installations on one server keep to their own sets, and sets of the version before go on',
  { skip: longTest },
  async (t) => {
    let address = '';
    const [a, b] = [await one(t, 'a', () => address), await one(t, 'b', () => address)];
    const server = await OwnServer.start(t, a.installation);
    address = server.environment.address;
    const { client } = server.environment;

    await t.test('one’s cancel leaves the other’s set of the same number alone', async () => {
      await a.work('archive');
      await b.work('archive');
      await a.begin(setId);
      await b.begin(setId);
      await waitFor(
        () => a.staged(setId) === 1 && b.staged(setId) === 1,
        'both to have staged their archive',
      );
      await b.run(['cancel', setId, '--discard']);
      assert.equal(b.staged(setId), 0);
      assert.equal(a.staged(setId), 1, 'what the other has staged stays');
      await a.work('tape', '--drive', 'lto1');
      await a.is(setId, 'completed');
      assert.equal(b.state(setId), 'cancelled');
    });

    await t.test('names and search attributes at the server say whose they are', async () => {
      const { shortId } = a.installation;
      const described = await client.workflow.getHandle(backupWorkflowId(setId, shortId)).describe();
      assert.equal(described.taskQueue, queuesOf(shortId).archive);
      assert.deepEqual(described.searchAttributes?.['TapeflowInstallation'], [shortId]);
    });

    await t.test('doctor says who serves each queue, and names a stranger', async () => {
      assert.match(
        await a.run(['doctor', '--workers', 'archive']),
        /served by archive worker at .*, pid \d+/,
      );
      const ended = new AbortController();
      const poll = () =>
        client.workflowService.pollActivityTaskQueue({
          namespace: 'default',
          taskQueue: { name: queuesOf(b.installation.shortId).compress(undefined) },
          identity: 'somebody',
        });
      // The server takes no long poll without a deadline.
      const stranger = client.connection.withAbortSignal(ended.signal, () =>
        client.connection.withDeadline(Date.now() + 120_000, poll),
      );
      const gone = assert.rejects(stranger);
      await waitFor(async () => {
        const doctor = await b.installation.run(['doctor', '--workers', 'archive'], server.env);
        return /somebody else serves it: somebody/.test(doctor.stdout);
      }, 'doctor to name the stranger');
      ended.abort();
      await gone;
    });

    await t.test(
      'a set that ran under the id of the version before is ended there if it is ours, and goes on',
      { skip: longTest },
      async () => {
        /** A set as the version before has left it: unfinished, and run under an id without an installation. */
        const former = async (
          { installation, begin, edit, source }: typeof a,
          id: string,
          sources = [source],
        ) => {
          await begin(id);
          await client.workflow
            .getHandle(backupWorkflowId(id, installation.shortId))
            .terminate()
            .catch(() => undefined);
          edit(`update sets set workflow_id = 'backup-' || id, state = 'running' where id = ?`, id);
          const [row] = installation.query<{ pool: string; drive: string; options: string }>(
            'select pool, drive, options from sets where id = ?',
            id,
          );
          assert.ok(row);
          const { pool, drive, options } = row;
          await client.workflow.start('backupSet', {
            workflowId: `backup-${id}`,
            taskQueue: 'tapeflow-archive',
            args: [{ setId: id, pool, drive, options: JSON.parse(options) as unknown }],
            typedSearchAttributes: firstAttributes({ setId: id, sources, pool, drive, installation: 'none' }),
          });
          return client.workflow.getHandle(`backup-${id}`);
        };
        const ours = await former(a, '2026-11_000002');
        await a.run(['resume', '2026-11_000002', '--detach']);
        await a.is('2026-11_000002', 'completed');
        assert.equal((await ours.describe()).status.name, 'TERMINATED');

        const theirs = await former(b, '2026-11_000003', [a.source]);
        await b.run(['resume', '2026-11_000003', '--detach']);
        const now = client.workflow.getHandle(backupWorkflowId('2026-11_000003', b.installation.shortId));
        assert.equal((await now.describe()).status.name, 'RUNNING');
        assert.equal((await theirs.describe()).status.name, 'RUNNING');
      },
    );

    await t.test(
      'the short id can be given, and nothing runs under the one before it',
      { skip: longTest },
      async () => {
        const named = { ...server.env, TAPEFLOW_INSTALLATION: 'second-house' };
        await b.installation.run(['resume', '2026-11_000003', '--detach'], named);
        const before = client.workflow.getHandle(backupWorkflowId('2026-11_000003', b.installation.shortId));
        assert.equal((await before.describe()).status.name, 'TERMINATED');
        const now = client.workflow.getHandle(backupWorkflowId('2026-11_000003', 'second-house'));
        await waitFor(
          () =>
            now.describe().then(
              ({ status }) => status.name === 'RUNNING',
              (error: unknown) => {
                if (error instanceof WorkflowNotFoundError) return false;
                throw error;
              },
            ),
          'the set to run under its new name',
        );
      },
    );
  },
);
