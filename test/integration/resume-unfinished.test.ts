import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { keyFile, readKey } from '../../proof/key-file.js';
import { backupWorkflowId, retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { Installation } from '../support/installation.js';
import { OwnServer } from '../support/own-server.js';
import { longTest, noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Event {
  stage: string;
  detail: string | null;
}

test('what the server has ended or forgotten goes on by itself; what was cancelled does not, and what breaks each time is left alone', async (t) => {
  const installation = await Installation.make(t, { LOOK_AFTER_SECONDS: '0.2' });
  const server = await OwnServer.start(t, installation);
  const { client } = server.environment;
  const run = async (...args: string[]) => {
    const finished = await installation.run(args, server.env);
    assert.equal(finished.code, 0, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished;
  };
  /** Begins the set of a new source. Without a tape worker it waits. */
  const begin = async (): Promise<string> => {
    const source = tempFolder(t);
    writeTree(source, { file: noise(50_000, source) });
    await run('backup', source, '--detach');
    const [set] = installation.query<{ id: string }>('select id from sets order by id desc limit 1');
    return set?.id ?? '';
  };
  const handle = (id: string) => client.workflow.getHandle(backupWorkflowId(id, installation.shortId));
  const state = (id: string) =>
    installation.query<{ state: string }>('select state from sets where id = ?', id)[0]?.state;
  const events = (id: string) =>
    installation.query<Event>('select stage, detail from events where set_id = ? and group_no is null', id);
  const takenUp = async (id: string, times = 1) => {
    const count = () => events(id).filter(({ stage }) => stage === 'taken_up').length;
    await waitFor(() => count() >= times, `${id} to be taken up`);
    assert.equal((await handle(id).describe()).status.name, 'RUNNING');
  };
  const edit = (sql: string, ...values: unknown[]) => {
    const database = new Database(path.join(installation.dataDir, 'catalog.db'));
    database.prepare(sql).run(...values);
    database.close();
  };
  await server.worker(['archive']);

  const ended = await begin();
  await handle(ended).terminate('somebody else');
  await takenUp(ended);
  assert.match(
    events(ended).find(({ stage }) => stage === 'taken_up')?.detail ?? '',
    /terminated: somebody else/,
  );
  assert.match((await run('trace', ended)).stdout, /taken_up +its workflow has ended/);

  const paused = await begin();
  await run('pause', paused);
  await handle(paused).terminate('somebody else');
  await takenUp(paused);
  const { phase } = await handle(paused).query<{ phase: string }>('progress');
  assert.equal(phase, 'paused');
  assert.equal(state(paused), 'paused');

  const cancelled = await begin();
  await run('cancel', cancelled);

  const forgotten = await begin();
  // Longer ago than a command takes to start what it has just made.
  edit('update sets set created_at = created_at - 120000 where id = ?', forgotten);
  const execution = { workflowId: backupWorkflowId(forgotten, installation.shortId), runId: '' };
  await client.workflowService.deleteWorkflowExecution({
    namespace: 'default',
    workflowExecution: execution,
  });
  await takenUp(forgotten);
  assert.match(events(forgotten).find(({ stage }) => stage === 'taken_up')?.detail ?? '', /does not know it/);

  const broken = await begin();
  edit(`update sets set options = 'null' where id = ?`, broken);
  await handle(broken).terminate('somebody else');
  await waitFor(() => events(broken).some(({ stage }) => stage === 'left_alone'), 'it to be left alone');
  assert.equal(events(broken).filter(({ stage }) => stage === 'taken_up').length, 5);
  const status = await run('status', broken);
  assert.match(status.stdout + status.stderr, /its workflow has ended \(failed/);
  assert.equal(state(cancelled), 'cancelled');
  assert.notEqual((await handle(cancelled).describe()).status.name, 'RUNNING');
  await run('cancel', broken);

  await server.worker(['tape', '--drive', 'lto1']);
  await run('resume', paused);
  await waitFor(
    () => [ended, paused, forgotten].every((id) => state(id) === 'completed'),
    'the sets to complete',
  );
  assert.equal(events(ended).filter(({ stage }) => stage === 'taken_up').length, 1);
});

test(
  'a verify whose workflow somebody has ended goes on by itself, and its command with it; so does a set whose key was lost',
  { skip: longTest },
  async (t) => {
    const source = tempFolder(t);
    writeTree(source, { file: noise(50_000, 'verified') });
    const installation = await Installation.make(t, { LOOK_AFTER_SECONDS: '0.2' });
    const server = await OwnServer.start(t, installation);
    const archive = await server.worker(['archive']);
    let tape = await server.worker(['tape', '--drive', 'lto1']);
    const backup = await installation.run(['backup', source], server.env);
    assert.equal(backup.code, 0, backup.stderr);
    await tape.stop();
    const [verified] = installation.query<{ id: string }>('select id from sets');
    const verify = installation.start(['verify', verified?.id ?? ''], server.env);
    const row = () =>
      installation.query<{ id: string; taken_up: number }>('select id, taken_up from retrievals')[0];
    const id = (await waitFor(() => row()?.id, 'the verify')) as string;
    const handle = server.environment.client.workflow.getHandle(
      retrievalWorkflowId(id, installation.shortId),
    );
    await waitFor(
      () =>
        handle.terminate('somebody else').then(
          () => true,
          () => false,
        ),
      'its workflow',
    );
    await waitFor(() => row()?.taken_up === 1, 'it to be taken up');
    tape = await server.worker(['tape', '--drive', 'lto1']);
    const { code, stdout, stderr } = await verify.ended;
    assert.equal(code, 0, stdout + stderr);

    // A set in the middle of its work, when the key is lost with which all of its messages were proven.
    await tape.stop();
    const more = tempFolder(t);
    writeTree(more, { file: noise(50_000, 'with another key') });
    assert.equal((await installation.run(['backup', more, '--detach'], server.env)).code, 0);
    const [begun] = installation.query<{ id: string }>('select id from sets order by id desc limit 1');
    const setId = begun?.id ?? '';
    const inState = (state: string) => () =>
      installation.query('select 1 from groups where set_id = ? and state = ?', setId, state).length > 0;
    await waitFor(inState('promoted'), 'its archive to be staged');
    await archive.stop();
    const lost = readKey(installation.dataDir);
    rmSync(keyFile(installation.dataDir));
    await server.worker(['archive']);
    await server.worker(['tape', '--drive', 'lto1']);
    const set = () => installation.query<{ state: string }>('select state from sets where id = ?', setId)[0];
    await waitFor(() => set()?.state === 'completed', 'it to be taken up again and to complete');
    assert.notEqual(readKey(installation.dataDir), lost);
    const stages = installation.query<Event & { group_no: number | null }>(
      'select stage, detail, group_no from events where set_id = ?',
      setId,
    );
    const of = (stage: string) => stages.filter((event) => event.stage === stage);
    assert.match(of('taken_up')[0]?.detail ?? '', /its workflow has ended \(failed: /);
    assert.deepEqual([of('compressed').length, of('committed').length], [1, 1], 'nothing is done twice');
    const again = await installation.run(['verify', setId], server.env);
    assert.equal(again.code, 0, again.stdout + again.stderr);
  },
);
