import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Prover, headerText, readHeader } from '../../proof/message-proof.js';
import { hmacSha256, sha256 } from '../../proof/sha256.js';

const bytes = (length: number, seed = 7) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * (i >> 3)) & 255);

test('SHA-256 and HMAC in plain JavaScript are those of Node, at every length around a block', () => {
  for (const length of [...Array.from({ length: 200 }, (_, i) => i), 1000, 100_000]) {
    const some = bytes(length);
    assert.deepEqual(Buffer.from(sha256(some)), createHash('sha256').update(some).digest(), `${length}`);
    for (const key of [bytes(32, 3), bytes(64, 5), bytes(65, 9)])
      assert.deepEqual(Buffer.from(hmacSha256(key, some)), createHmac('sha256', key).update(some).digest());
  }
  // RFC 4231, test case 2.
  const known = hmacSha256(Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'));
  assert.equal(
    Buffer.from(known).toString('hex'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('a proof counts for its kind, its place and its content alone, and with its key', () => {
  const prover = new Prover('01'.repeat(32));
  const place = { workflowId: 'w', runId: 'r', name: 'pause', once: 'u' };
  const proof = prover.prove('update', place, [{ discard: true }]);
  assert.match(proof, /^[\w-]{43}$/);
  assert.ok(
    prover.isProof(proof, 'update', { once: 'u', name: 'pause', runId: 'r', workflowId: 'w' }, [
      { discard: true },
    ]),
  );
  const step = { ...place, activityId: '', activityType: '', failureType: '' };
  assert.ok(!prover.isProof(proof, 'failure', step, [{ discard: true }]));
  assert.ok(!prover.isProof(proof, 'update', place, [{ discard: false }]));
  for (const field of ['workflowId', 'runId', 'name', 'once'] as const)
    assert.ok(!prover.isProof(proof, 'update', { ...place, [field]: 'x' }, [{ discard: true }]), field);
  assert.ok(!new Prover('02'.repeat(32)).isProof(proof, 'update', place, [{ discard: true }]));
  assert.ok(!prover.isProof('', 'update', place, [{ discard: true }]));
});

test('a proof holds for content as it arrives: as JSON has it', () => {
  const prover = new Prover('01'.repeat(32));
  const step = { workflowId: 'w', runId: 'r', activityId: '1', activityType: 'a' };
  const sent = [{ a: undefined, b: -0, c: new Date(0), '2': 'é\ud800', '1': '\u0000' }, undefined, 'ü'];
  const arrived = (JSON.parse(JSON.stringify(sent)) as unknown[]).map((value) => value ?? undefined);
  assert.ok(prover.isProof(prover.prove('answer', step, sent), 'answer', step, arrived));
});

test('a header is read as it was written', () => {
  const proof = 'p'.repeat(43);
  for (const header of [
    { kind: 'command', proof, at: 1_700_000_000_000, once: 'abc' },
    { kind: 'schedule', proof },
    { kind: 'step', proof },
    { kind: 'update', proof },
  ] as const) {
    const { kind, at, once } = readHeader(headerText(header)) ?? {};
    assert.deepEqual(
      [kind, at, once ?? ''],
      [header.kind, 'at' in header ? header.at : undefined, 'once' in header ? header.once : ''],
      header.kind,
    );
  }
  assert.equal(readHeader(undefined), undefined);
  assert.equal(readHeader({}), undefined);
});
