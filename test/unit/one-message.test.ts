import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOneMessage } from '../../activities/tape/one-message.js';
import type { TapeImport } from '../../operations/rebuild/import-tape.js';
import type { ArchiveReport } from '../../operations/rebuild/import-tape-archive.js';
import { differencesFrom, type NewSet } from '../../catalog/sets/set-differences.js';
import type { SetRow } from '../../catalog/rows.js';

/** What a Temporal server takes as the whole result of a step (`limit.blobSize.error`), less what proves it. */
const mostBytes = 2 * 1024 * 1024 - 4096;

const report = (group: number, trouble: string | null): ArchiveReport => ({
  ...{ setId: '2026-11_000001', group, archive: `backup_2026-11_000001_${group}.tar.gz` },
  ...{ outcome: 'refused', entries: 1, fromArchive: false, contradicts: false, trouble },
});

function reading(troubles: string[], sets: number): TapeImport {
  const set = (no: number) => ({
    ...{ setId: `2026-11_${no}`, state: 'failed' as const, groups: 9, ended: null },
    ...{ missing: ['1–2', '7'], damaged: [3], partial: [], base: null },
  });
  return {
    tape: { name: 'LTO001' } as TapeImport['tape'],
    sets: Array.from({ length: sets }, (_, no) => set(no)),
    counts: { added: 0, copy: 0, known: 0, refused: troubles.length },
    ...{ troubles, contradictions: 0 },
  };
}

test('what reading a tape full of damage has found fits one message to the server, and says what it leaves out', () => {
  const long = (no: number) => `${'/磁带'.repeat(600)}/${no}: the manifest is damaged.`;
  const many = Array.from({ length: 3000 }, (_, no) => long(no));
  const told = inOneMessage(
    reading(many, 9000),
    many,
    many.map((text, no) => report(no, text)),
  );
  assert.ok(Buffer.byteLength(JSON.stringify(told)) < mostBytes, JSON.stringify(told).length.toString());
  for (const list of [told.sets, told.troubles, told.reports]) assert.ok(list.length > 50);
  assert.equal(told.more, 3000 - told.reports.length);
  assert.deepEqual(
    told.said.slice(-3).map((sentence) => sentence.replaceAll(/[\d,]+/g, 'N')),
    ['sentences were said', 'faults were found', 'sets were read'].map(
      (what) => `N more ${what} than one message of the worker can tell of.`,
    ),
  );

  const few = [long(1), long(2)];
  const reports = [report(1, null), report(2, 'bad')];
  const whole = inOneMessage(reading(few, 2), few, reports);
  assert.deepEqual(whole, { ...reading(few, 2), said: few, reports, more: 0 }, 'what fits is told as it is');
});

test('of two long lists of excludes only what differs is told, since a run of a schedule tells it to the server', () => {
  const patterns = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, no) => `/srv/${from + no}/${'x'.repeat(500)}`);
  const differs = (has: string[], wants: string[]) =>
    differencesFrom(
      {
        ...{
          excludes: JSON.stringify(has),
          mode: 'full',
          pool: 'p',
          drive: 'd',
          places: null,
          options: '{}',
        },
        ...{ direct: 0, taken: null, asked_mode: 'full', recipients: null, hook: null },
      } as unknown as SetRow,
      {
        mode: 'full',
        pool: 'p',
        drive: 'd',
        excludes: wants,
        direct: false,
        options: {},
      } as unknown as NewSet,
    );
  const [also = '', not = '', ...rest] = differs(patterns(0, 2000), patterns(3, 2007));
  assert.match(also, /^it leaves out \/srv\/0\/x+… \/srv\/1\/x+… \/srv\/2\/x+… too$/);
  assert.match(not, /^it does not leave out \/srv\/2000\/x+… .* and 2 more$/);
  assert.deepEqual(rest, []);
  assert.ok(also.length + not.length < 2000);
  assert.deepEqual(differs(patterns(0, 30), patterns(0, 30).reverse()), [
    'its excludes are in another order',
  ]);
  assert.deepEqual(differs(patterns(0, 30), patterns(0, 30)), []);
});
