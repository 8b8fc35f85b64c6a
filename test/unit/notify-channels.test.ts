import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { ChannelSettings } from '../../config/settings/channels.js';
import { describeError } from '../../config/failures.js';
import { send } from '../../operations/notify/channels/send.js';
import { testMessage } from '../../operations/notify/tell.js';
import { startMailServer, startReceiver } from '../support/receiver.js';
import { tempFolder } from '../support/trees.js';

const message = testMessage({ installation: 'test', host: 'here' }, 'x');

/** What becomes of the message: the error, or undefined when it was taken. */
async function sent(
  t: TestContext,
  channel: ChannelSettings,
  env: NodeJS.ProcessEnv = {},
  signal = new AbortController().signal,
): Promise<string | undefined> {
  const places = { env, homeDir: tempFolder(t) };
  return send(channel, places, message, signal).then(() => undefined, describeError);
}

test('each chat service gets JSON of its own, signed where it wants that', async (t) => {
  const receiver = await startReceiver(t);
  const post = async (channel: object, answer = 'ok') => {
    receiver.answer = () => [200, answer];
    assert.equal(await sent(t, { name: 'x', url: receiver.url, ...channel } as ChannelSettings), undefined);
    const got = receiver.taken.at(-1);
    return {
      url: new URL(got?.url ?? '', receiver.url),
      object: JSON.parse(got?.body ?? '') as Record<string, never>,
    };
  };
  const fine = JSON.stringify({ errcode: 0, errmsg: 'ok' });
  const text = /^tapeflow: Test of channel x\n\nThis is a test/;

  const ding = await post(
    { kind: 'dingtalk', secret: 'SEC1', url: `${receiver.url}/robot?access_token=a` },
    fine,
  );
  const time = ding.url.searchParams.get('timestamp') ?? '';
  const sign = createHmac('sha256', 'SEC1').update(`${time}\nSEC1`).digest('base64');
  assert.equal(ding.url.searchParams.get('sign'), sign);
  assert.equal(ding.url.searchParams.get('access_token'), 'a');
  assert.match((ding.object['text'] as { content: string } | undefined)?.content ?? '', text);

  const wecom = await post({ kind: 'wecom' }, fine);
  assert.match((wecom.object['text'] as { content: string } | undefined)?.content ?? '', text);

  const feishu = await post({ kind: 'feishu', secret: 'SEC2' }, JSON.stringify({ code: 0 }));
  const seconds = String(feishu.object['timestamp']);
  assert.equal(feishu.object['sign'], createHmac('sha256', `${seconds}\nSEC2`).update('').digest('base64'));
  assert.match((feishu.object['content'] as { text: string } | undefined)?.text ?? '', text);

  assert.match((await post({ kind: 'slack' })).object['text'] ?? '', text);
  const teams = JSON.stringify((await post({ kind: 'teams' })).object);
  assert.match(teams, /AdaptiveCard.*tapeflow: Test of channel x/);
  const ntfy = await post({ kind: 'ntfy', topic: 'tapes', token: 'tk' });
  assert.equal(ntfy.object['topic'], 'tapes');
  assert.equal(receiver.taken.at(-1)?.headers.authorization, 'Bearer tk');
});

test('a service that says no in an answer with HTTP 200 has not taken the message', async (t) => {
  const receiver = await startReceiver(t);
  receiver.answer = () => [200, JSON.stringify({ errcode: 310000, errmsg: 'sign not match' })];
  const why = await sent(t, { name: 'x', kind: 'dingtalk', url: receiver.url });
  assert.match(why ?? '', /refuses the message: .*sign not match/);
});

test('a failure says why, and never tells the URL, which is a secret', async (t) => {
  const receiver = await startReceiver(t);
  const url = `${receiver.url}/hook/token-of-the-hook`;
  receiver.answer = () => [404, 'no such hook'];
  const hook = { name: 'x', kind: 'webhook', url } as const;
  assert.equal(await sent(t, hook), 'it answers with HTTP 404: no such hook');
  receiver.answer = () => [302, ''];
  assert.equal(await sent(t, hook), 'it answers with HTTP 302');
  const refused = await sent(t, { ...hook, url: 'http://127.0.0.1:1/token-of-the-hook' });
  assert.match(refused ?? '', /ECONNREFUSED|bad port/);
  assert.doesNotMatch(refused ?? '', /token/);
  const wrong = await sent(t, { ...hook, url: { env: 'HOOK' } }, { HOOK: 'token-of-the-hook' });
  assert.match(wrong ?? '', /its url is no URL/);
  assert.doesNotMatch(wrong ?? '', /token/);
  assert.match((await sent(t, { ...hook, url: { env: 'HOOK' } })) ?? '', /variable HOOK is not set/);
  assert.match((await sent(t, { ...hook, url: { file: 'hook' } })) ?? '', /file .*hook cannot be read/);
});

test('a ping goes to the URL for a success, and below it for anything else', async (t) => {
  const receiver = await startReceiver(t);
  const channel = { name: 'x', kind: 'ping', url: `${receiver.url}/abc` } as const;
  const places = { env: {}, homeDir: tempFolder(t) };
  const { signal } = new AbortController();
  for (const event of ['completed', 'failed', 'waiting'] as const)
    await send(channel, places, { ...message, event }, signal);
  assert.deepEqual(
    receiver.taken.map(({ url }) => url),
    ['/abc', '/abc/fail', '/abc/log'],
  );
});

test('a mail is encrypted unless that was waived, and a wrong password is told', async (t) => {
  const { port, mails } = await startMailServer(t, 'right');
  const mail = {
    name: 'x',
    kind: 'email',
    host: '127.0.0.1',
    port,
    from: 'a@example',
    to: 'b@example',
  } as const;
  const wrong = await sent(t, { ...mail, tls: 'none', user: 'u', password: 'wrong' });
  assert.match(wrong ?? '', /wrong password/);
  // The test server's certificate is signed by nobody.
  const untrusted = await sent(t, { ...mail, tls: 'starttls', user: 'u', password: 'right' });
  assert.match(untrusted ?? '', /certificate/);
  const plain = await startMailServer(t, 'right', true);
  const unable = await sent(t, { ...mail, port: plain.port, tls: 'starttls', user: 'u', password: 'right' });
  assert.match(unable ?? '', /STARTTLS/);
  assert.equal(mails.length + plain.mails.length, 0);
  assert.equal(await sent(t, { ...mail, tls: 'none', user: 'u', password: 'right' }), undefined);
  assert.match(mails[0]?.text ?? '', /^Subject: tapeflow: Test of channel x\r?$/m);
  assert.match(mails[0]?.text ?? '', new RegExp(`^Message-ID: <${message.id}@tapeflow>`, 'im'));
});

test('a command has taken the message when it ends with 0, and is ended with the worker', async (t) => {
  const run = (script: string, signal?: AbortSignal) =>
    sent(t, { name: 'x', kind: 'command', command: ['/bin/sh', '-c', script] }, {}, signal);
  assert.equal(await run('exit 0'), undefined);
  assert.match((await run('echo oh >&2; exit 3')) ?? '', /ended with exit code 3: oh/);
  const missing = path.join(tempFolder(t), 'missing');
  const none = await sent(t, { name: 'x', kind: 'command', command: [missing] });
  assert.match(none ?? '', /cannot be run/);
  const stopping = new AbortController();
  const ended = run('echo begun >&2; exec sleep 60', stopping.signal);
  stopping.abort();
  assert.match((await ended) ?? '', /was ended by SIGKILL/);
});
