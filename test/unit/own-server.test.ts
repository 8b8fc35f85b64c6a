import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { openConnection } from '../../client/server.js';
import { describeError } from '../../config/failures.js';
import { projectDir } from '../../config/project-dir.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { connectWorker } from '../../workers/processes/worker-process.js';
import { refused, unreachable } from '../../workers/server/connection-trouble.js';
import { ownServer, unusedVariables, usesOwnServer } from '../../workers/server/own-server.js';
import { requireNamespace } from '../../workers/server/prepare-server.js';
import { listening } from '../support/listening.js';
import { Certificates, needsOpenssl, tlsInFrontOf } from '../support/temporal-tls.js';
import { tempFolder } from '../support/trees.js';

/** The server that these variables name; `home` has no file of profiles unless a test puts one there. */
function target(env: Record<string, string>, home = '/nowhere') {
  const all = { HOME: home, ...env };
  return ownServer(loadSettings(all, projectDir), all);
}

function said(env: Record<string, string>, home?: string): string {
  try {
    target(env, home);
  } catch (error) {
    return describeError(error);
  }
  return 'nothing is wrong';
}

test('the server is that of the environment, then of tapeflow.config.json, then of the profile', (t) => {
  const home = tempFolder(t);
  mkdirSync(path.join(home, '.config', 'temporalio'), { recursive: true });
  writeFileSync(
    path.join(home, '.config', 'temporalio', 'temporal.toml'),
    '[profile.prod]\naddress = "prod:7233"\nnamespace = "tapes"\napi_key = "secret"\n' +
      '[profile.default]\naddress = "other:7233"\nnamespace = "others"\n',
  );
  const seen = (env: Record<string, string>) => {
    const { address, namespace, connection, access } = target(env, home);
    return [address, namespace, connection.apiKey, connection.tls, access?.replace(home, '~')];
  };
  const file = '~/.config/temporalio/temporal.toml';
  const prod = ['prod:7233', 'tapes', 'secret', true, `profile prod of ${file}, TLS, an API key`];
  assert.deepEqual(seen({ TEMPORAL_PROFILE: 'prod' }), prod);
  const empty = { TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: '', TEMPORAL_API_KEY: '', TEMPORAL_TLS: '' };
  assert.deepEqual(seen({ TEMPORAL_PROFILE: 'prod', ...empty }), prod, 'an empty variable is not set');
  assert.deepEqual(seen({ TEMPORAL_ADDRESS: 'a:1', TEMPORAL_NAMESPACE: 'n' }), [
    'a:1',
    'n',
    undefined,
    undefined,
    `profile default of ${file}, no TLS`,
  ]);

  const config = path.join(home, 'tapeflow.json');
  writeFileSync(config, JSON.stringify({ TEMPORAL_PROFILE: 'prod', TEMPORAL_NAMESPACE: 'mine' }));
  assert.deepEqual(seen({ TAPEFLOW_CONFIG: config }).slice(0, 2), ['prod:7233', 'mine']);
  assert.deepEqual(seen({ TAPEFLOW_CONFIG: config, TEMPORAL_NAMESPACE: 'n' }).slice(0, 2), [
    'prod:7233',
    'n',
  ]);

  assert.equal(
    usesOwnServer(loadSettings({ HOME: home }, projectDir)),
    false,
    'a file alone names no server',
  );
  assert.deepEqual(unusedVariables({ TEMPORAL_API_KEY: 'k', TEMPORAL_TLS: '', TEMPORAL_CLI_PATH: 'x' }), [
    'TEMPORAL_API_KEY',
  ]);
});

test('of a profile that is not there, or a file that is wrong, it is said which and where', (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, 'temporal.toml');
  const asked = { TEMPORAL_PROFILE: 'prod' };
  const named = { TEMPORAL_CONFIG_FILE: file };
  assert.match(
    said(asked),
    /^The file of Temporal's profiles \/nowhere\/.*temporal.toml, where the profile prod should be, cannot be read: does not exist/,
  );
  assert.match(
    said({ ...named, TEMPORAL_ADDRESS: 'a:1' }),
    /temporal.toml, which TEMPORAL_CONFIG_FILE names, cannot be read/,
  );
  writeFileSync(file, '');
  assert.equal(said({ ...named, TEMPORAL_ADDRESS: 'a:1' }), 'nothing is wrong');
  assert.match(
    said({ ...named, ...asked }),
    /^There is no profile prod in .*temporal.toml.* begins with \[profile.prod\]/,
  );
  writeFileSync(file, '[profile.test]\naddress = "a:1"\n[profile.live]\n');
  assert.match(
    said({ ...named, ...asked }),
    /^There is no profile prod in .*toml, .*\. It has: test, live\.$/,
  );
  writeFileSync(file, '[profile.prod\naddress = 1');
  assert.match(
    said({ ...named, ...asked }),
    /^The file of Temporal's profiles .*temporal.toml is wrong: Invalid TOML/,
  );
});

test('of certificates and keys that cannot be used it is said what is wrong', { skip: needsOpenssl }, (t) => {
  const folder = tempFolder(t);
  const certificates = new Certificates(folder);
  const one = certificates.issue('one');
  const other = certificates.issue('other');
  const old = certificates.issue('old', { days: 0 });
  const wrong = (cert?: string, key?: string, ca?: string) =>
    said({
      TEMPORAL_ADDRESS: 'a:1',
      ...(cert === undefined ? {} : { TEMPORAL_TLS_CLIENT_CERT_PATH: cert }),
      ...(key === undefined ? {} : { TEMPORAL_TLS_CLIENT_KEY_PATH: key }),
      ...(ca === undefined ? {} : { TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca }),
    });
  assert.equal(wrong(one.cert, one.key, certificates.ca.cert), 'nothing is wrong');
  assert.match(
    wrong(one.cert),
    /^For TLS there is a client certificate, but no client key\. Set TEMPORAL_TLS_CLIENT_KEY_PATH too/,
  );
  assert.match(wrong(undefined, one.key), /but no client certificate/);
  assert.match(
    wrong(one.cert, '/nowhere/key'),
    /^The client key \/nowhere\/key \(TEMPORAL_TLS_CLIENT_KEY_PATH\) cannot be read: does not exist/,
  );
  assert.match(
    wrong(undefined, undefined, folder),
    /^The certificate of the server's CA .* cannot be read: is a folder/,
  );
  assert.match(
    wrong(one.cert, other.key),
    /^The client key .*other.key .* is not the key of the client certificate .*one.pem/,
  );
  assert.match(wrong(one.key, one.key), /one.key .* has no certificate in it/);
  assert.match(wrong(one.cert, one.cert), /one.pem .* has no private key in it/);
  assert.match(wrong(old.cert, old.key), /old.pem .* has expired: it was valid until/);
  const locked = path.join(folder, 'locked.key');
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  });
  writeFileSync(locked, privateKey);
  assert.match(wrong(one.cert, locked), /locked.key .* has a passphrase/);
});

test('of a server that does not answer it is said why', { skip: needsOpenssl }, async (t) => {
  const certificates = new Certificates(tempFolder(t));
  const own = certificates.issue('server');
  const client = certificates.issue('client');
  const plain = await listening(
    t,
    net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  const quiet = await listening(t, http2.createServer());
  const secret = await tlsInFrontOf(t, quiet, own);
  const strict = await tlsInFrontOf(t, quiet, own, certificates.ca.cert);
  const misnamed = await tlsInFrontOf(
    t,
    quiet,
    certificates.issue('misnamed', { subject: 'DNS:tapes.example' }),
  );
  const why = async (address: string, env: Record<string, string> = {}) =>
    describeError(await unreachable(target({ TEMPORAL_ADDRESS: address, ...env }), new Error('no answer')));
  const withCa = { TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.ca.cert };
  const withBoth = {
    ...withCa,
    TEMPORAL_TLS_CLIENT_CERT_PATH: client.cert,
    TEMPORAL_TLS_CLIENT_KEY_PATH: client.key,
  };
  assert.match(await why('127.0.0.1:1'), /at 127.0.0.1:1 does not answer: nobody listens there/);
  assert.match(await why(secret), /: it speaks TLS only\. Set TEMPORAL_TLS=true/);
  assert.match(await why(plain, { TEMPORAL_TLS: 'true' }), /: it does not speak TLS\. /);
  assert.match(
    await why(secret, { TEMPORAL_TLS: 'true' }),
    /a CA that is not known here\. .*_SERVER_CA_CERT_PATH/,
  );
  assert.match(
    await why(misnamed, withCa),
    /is for another name \(DNS:tapes.example\)\. .*TEMPORAL_TLS_SERVER_NAME/,
  );
  assert.match(await why(strict, withCa), /refuses the client certificate, or wants one/);
  for (const [address, env] of [
    [plain, {}],
    [secret, withCa],
    [strict, withBoth],
    [misnamed, { ...withCa, TEMPORAL_TLS_SERVER_NAME: 'tapes.example' }],
  ] as const)
    assert.match(await why(address, env), /does not answer: no answer\. Check TEMPORAL_ADDRESS/);
});

test('a server that refuses the key or the certificate is told from one that does not answer', async (t) => {
  let status = 16;
  const server = http2.createServer();
  server.on('stream', (stream) =>
    stream.respond(
      {
        ...{ ':status': 200, 'content-type': 'application/grpc' },
        ...{ 'grpc-status': String(status), 'grpc-message': 'Request unauthorized.' },
      },
      { endStream: true },
    ),
  );
  const address = await listening(t, server);
  const withKey = target({ TEMPORAL_ADDRESS: address, TEMPORAL_API_KEY: 'old', TEMPORAL_TLS: 'false' });
  const sentence =
    /^The Temporal server at \S+ refuses the API key: .*Request unauthorized\. Renew TEMPORAL_API_KEY/;
  for (status of [16, 7]) {
    await assert.rejects(openConnection(withKey), (error) => sentence.test(describeError(error)));
    await assert.rejects(connectWorker(withKey), (error) => sentence.test(describeError(error)));
  }
  const describeNamespace = () =>
    Promise.reject(Object.assign(new Error('7 PERMISSION_DENIED'), { code: 7, details: 'not yours' }));
  const connection = { workflowService: { describeNamespace } } as unknown as Parameters<
    typeof requireNamespace
  >[0];
  await assert.rejects(
    requireNamespace(connection, target({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'n' })),
    /refuses whoever brings neither an API key nor a client certificate: not yours/,
  );
  const certified = {
    ...withKey,
    connection: { tls: { clientCertPair: { crt: Buffer.of(), key: Buffer.of() } } },
  };
  assert.match(refused(certified, new Error('no')).message, /refuses the client certificate: no\.$/);
});
