import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Prover, headerText, readHeader } from '../../proof/message-proof.js';

test('a proof is what Node makes of the key and the message, whatever the length of that', () => {
  const key = '0123456789abcdef'.repeat(4);
  const place = { workflowId: 'w', runId: 'r', activityId: '1', activityType: 'a' };
  const fields = JSON.stringify({ activityId: '1', activityType: 'a', runId: 'r', workflowId: 'w' });
  for (const length of [...Array.from({ length: 130 }, (_, i) => i), 1000, 100_000]) {
    const content = 'ü'.repeat(length);
    const message = JSON.stringify(['tapeflow 1', 'answer', fields, content]);
    const wanted = createHmac('sha256', Buffer.from(key, 'hex')).update(message).digest('base64url');
    assert.equal(new Prover(key).prove('answer', place, content), wanted, `${length}`);
  }
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
