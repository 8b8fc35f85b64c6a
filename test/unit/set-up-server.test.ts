import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '@temporalio/client';
import { describeError } from '../../config/failures.js';
import { setUpServer } from '../../workers/server/set-up-server.js';
import { searchAttributes } from '../../workflows/messages.js';

const target = { address: 'x:7233', namespace: 'tapes', connection: {}, embedded: false };
const [notFound, exists, denied, unknownCall, unavailable] = [5, 6, 7, 12, 14];

function refusal(code: number, details: string): Error {
  return Object.assign(new Error(`${code} NAME: ${details}`), { code, details });
}

interface Fake {
  /** Seconds that the namespace keeps what has ended; undefined: there is none. */
  keeps?: number;
  /** The types of its search attributes, by the numbers of Temporal's API. */
  has?: Record<string, number>;
  /** What the next calls of a name end with. */
  errors?: Record<string, Error[]>;
}

/** A server with a memory, and the names of the calls that would change something. */
function server({ keeps, has = {}, errors = {} }: Fake) {
  const changes: string[] = [];
  const call = (name: string) => {
    const error = errors[name]?.shift();
    if (/^(register|update|add)/.test(name)) changes.push(name);
    if (error !== undefined) throw error;
  };
  const workflowService = {
    describeNamespace: async () => {
      call('describeNamespace');
      if (keeps === undefined) throw refusal(notFound, 'Namespace tapes is not found.');
      return { config: { workflowExecutionRetentionTtl: { seconds: keeps } } };
    },
    registerNamespace: async (asked: { workflowExecutionRetentionPeriod: { seconds: number } }) => {
      call('registerNamespace');
      keeps = asked.workflowExecutionRetentionPeriod.seconds;
    },
    updateNamespace: async (asked: { config: { workflowExecutionRetentionTtl: { seconds: number } } }) => {
      call('updateNamespace');
      keeps = asked.config.workflowExecutionRetentionTtl.seconds;
    },
  };
  const operatorService = {
    listSearchAttributes: async () => {
      call('listSearchAttributes');
      return { customAttributes: { ...has } };
    },
    addSearchAttributes: async (asked: { searchAttributes: Record<string, number> }) => {
      // Also where the call ends with an error: then somebody else has added them meanwhile.
      Object.assign(has, asked.searchAttributes);
      call('addSearchAttributes');
    },
  };
  return { changes, has, connection: { workflowService, operatorService } as unknown as Connection };
}

const said = (fake: Fake, retention?: number) =>
  setUpServer(server(fake).connection, target, retention).then(
    () => 'done',
    (error: unknown) => describeError(error),
  );

test('a server without the namespace gets it and the search attributes, and one that has them is left as it is', async () => {
  const errors = { listSearchAttributes: [refusal(notFound, 'it has not heard of tapes yet')] };
  const fresh = server({ errors });
  const made = await setUpServer(fresh.connection, target, undefined);
  assert.deepEqual(made.namespace, { name: 'tapes', outcome: 'made', retentionSeconds: 2_592_000 });
  assert.ok(made.attributes.length === 6 && made.attributes.every(({ outcome }) => outcome === 'added'));
  assert.deepEqual(
    fresh.has,
    Object.fromEntries(
      Object.values(searchAttributes).map(({ name, type }) => [name, type === 'KEYWORD_LIST' ? 7 : 2]),
    ),
  );
  const before = [...fresh.changes];
  for (const retention of [undefined, 2_592_000]) {
    const again = await setUpServer(fresh.connection, target, retention);
    assert.deepEqual(again.namespace, { name: 'tapes', outcome: 'there', retentionSeconds: 2_592_000 });
    assert.ok(again.attributes.every(({ outcome }) => outcome === 'there'));
  }
  assert.deepEqual(fresh.changes, before, 'nothing was changed again');
  const changed = await setUpServer(fresh.connection, target, 86_400);
  assert.deepEqual(changed.namespace, { name: 'tapes', outcome: 'changed', retentionSeconds: 86_400 });
});

test('two who set up one server at once do not get in each other’s way', async () => {
  const errors = {
    registerNamespace: [refusal(exists, 'Namespace already exists.')],
    addSearchAttributes: [refusal(exists, 'Search attribute TapeflowSet already exists.')],
  };
  const shared = server({ errors });
  const { attributes } = await setUpServer(shared.connection, target, undefined);
  assert.equal(attributes.length, 6);
  assert.deepEqual(shared.changes, ['registerNamespace', 'addSearchAttributes']);
});

test('whoever lacks the right is told in one sentence what an administrator has to do', async () => {
  for (const code of [denied, unknownCall])
    assert.match(
      await said({ errors: { registerNamespace: [refusal(code, 'Request unauthorized.')] } }),
      /^The Temporal server at x:7233 does not let you make the namespace tapes: Request unauthorized\. .*administrator.*`temporal operator namespace create --namespace tapes --retention 2592000s`\.$/,
    );
  assert.match(
    await said({ keeps: 9, errors: { updateNamespace: [refusal(denied, 'no')] } }, 86_400),
    /does not let you change the retention of the namespace tapes: no\. .* update --namespace tapes --retention 86400s`/,
  );
  assert.match(
    await said({ keeps: 9, errors: { addSearchAttributes: [refusal(denied, 'no')] } }),
    /does not let you add the search attributes that tapeflow needs: no\. .*`tapeflow admin setup`.*--name TapeflowSource --type KeywordList/,
  );
  assert.match(
    await said({ errors: { describeNamespace: [refusal(denied, 'no')] } }),
    /refuses whoever brings neither an API key nor a client certificate: no\./,
  );
});

test('a server that goes away meanwhile is not taken for one that needs its administrator', async () => {
  const told = await said({
    keeps: 9,
    errors: { listSearchAttributes: [refusal(unavailable, 'no answer')] },
  });
  assert.match(
    told,
    /^The Temporal server at x:7233 did not say which .*: no answer\. Run the command again/,
  );
  assert.doesNotMatch(told, /administrator/);
});

test('a search attribute of our name with another type is named, and nothing is added beside it', async () => {
  const taken = server({ keeps: 9, has: { TapeflowSource: 2 } });
  await assert.rejects(
    setUpServer(taken.connection, target, undefined),
    /In the namespace tapes .* the search attribute TapeflowSource is Keyword, and must be KeywordList\./,
  );
  assert.deepEqual(taken.changes, []);
});
