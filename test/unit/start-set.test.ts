import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/common';
import { startOrFail } from '../../client/follow/start-or-fail.js';
import type { Session } from '../../client/session.js';
import type { Server } from '../../client/server.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { describeError } from '../../config/failures.js';
import { withSide } from '../../config/sides.js';
import { prepareServer } from '../../workers/server/prepare-server.js';
import { searchAttributes } from '../../workflows/messages.js';
import { openNewCatalog } from '../support/catalogs.js';

/** An error of a gRPC call, in the one that the client makes of it. */
function refusal(code: number, details: string): Error {
  const cause = Object.assign(new Error(`${code} NAME: ${details}`), { code, details });
  return new Error('Failed to start Workflow', { cause });
}

test('every cause of an error reaches the sentence once', () => {
  assert.equal(describeError(refusal(3, 'it is too large.')), 'Failed to start Workflow: it is too large');
  const deep = new Error('a', { cause: new Error('b', { cause: new Error('the a of b\nmore') }) });
  assert.equal(describeError(deep), 'a: b: the a of b');
  const circle = new Error('round');
  circle.cause = circle;
  assert.equal(describeError(circle), 'round');
  const unknown = Object.assign(new Error('ENOSYS: function not implemented, symlink'), { code: 'ENOSYS' });
  assert.equal(describeError(withSide('target', unknown)), unknown.message);
  assert.equal(
    describeError(Object.assign(new Error('x'), { code: 'ENOSPC' })),
    'no space left on the device (ENOSPC)',
  );
});

test('a set that the server refuses is failed and says why; one whose server is away, or still learns, is not', async (t) => {
  const catalog = await openNewCatalog(t);
  const session = { catalog: async () => catalog } as Session;
  const wanted = { excludes: [], pool: 'default', drive: 'lto1', mode: 'full', direct: false, options: {} };
  let asked = 0;
  const begin = async (answers: (Error | undefined)[], isPrepared = false) => {
    asked = 0;
    const { set } = await openSet(catalog, { ...wanted, sources: ['/srv'] }, { fresh: true });
    const start = async () => {
      const answer = answers.shift();
      if (answer !== undefined) throw answer;
    };
    const target = { address: 'x:7233', embedded: true };
    const describe = () => Promise.reject(new WorkflowNotFoundError('none', 'w', undefined));
    const workflow = { start, getHandle: () => ({ describe }) };
    const customAttributes = Object.fromEntries(
      Object.values(searchAttributes).map(({ name, type }) => [name, type === 'KEYWORD_LIST' ? 7 : 2]),
    );
    const operatorService = {
      listSearchAttributes: async () => {
        asked += 1;
        return { customAttributes };
      },
    };
    const connection = { operatorService };
    const withDeadline = <Result>(_: number, run: () => Result) => run();
    const server = {
      target,
      installation: 'i',
      client: { connection, workflow, withDeadline },
    } as unknown as Server;
    if (isPrepared) await prepareServer(server);
    const told = await startOrFail(session, server, set, { retry: false }).then(
      () => 'begun',
      (error: unknown) => describeError(error),
    );
    const { state, reason } = await setNamed(catalog, set.id);
    return { told, state, reason };
  };

  const refused = await begin([refusal(3, 'search attribute TapeflowSource exceeds size limit 2048')]);
  assert.match(refused.told, /could not be started: Failed to start Workflow: .*2048.* retry/);
  assert.equal(refused.state, 'failed');
  assert.match(refused.reason ?? '', /exceeds size limit 2048/);

  const away = await begin([refusal(14, 'connection refused')]);
  assert.match(away.told, /does not answer: .*connection refused/);
  assert.equal(away.state, 'scanning');

  const unknown = refusal(3, 'Namespace n has no mapping defined for search attribute TapeflowSet');
  assert.deepEqual(await begin([unknown, unknown, undefined]), {
    told: 'begun',
    state: 'scanning',
    reason: null,
  });
  assert.equal(asked, 3, 'a server that lacks them after all is told again');
  assert.equal((await begin([undefined], true)).told, 'begun');
  assert.equal(asked, 1, 'a command that has prepared the server does not ask again');
});
