import assert from 'node:assert/strict';
import { test } from 'node:test';
import stringWidth from 'string-width';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { liveLines } from '../../client/follow/live-view.js';
import type { PendingStep } from '../../workers/server/pending-steps.js';
import { alignedLines } from '../../client/print/aligned.js';
import { fittedLines, wrapTo, tableLines } from '../../client/print/table.js';

const terabyte = 1e12;

test('a table has one line of the terminal for each row, names what it leaves out, and leaves out nothing in a pipe', () => {
  const rows = [
    ['SET', 'STATUS', 'SINCE', 'ENTRIES', 'EXPIRES', 'SOURCES'],
    ['2026-11_000001', 'completed', '', 1_234_567, '2027-11-24 14:03:07', '/srv/data /home'],
    ['2026-11_000002', 'waiting_for_tape', '2026-11_000001', 1, 'never', '/srv '.repeat(40)],
  ];
  const leaveOut = ['SINCE', 'EXPIRES'];
  assert.deepEqual(fittedLines(rows, leaveOut, undefined), tableLines(rows));
  assert.match(tableLines(rows)[1] ?? '', / 1,234,567 /);

  for (const width of [80, 60, 132]) {
    const lines = fittedLines(rows, leaveOut, width);
    for (const line of lines.slice(0, 3)) assert.ok(line.length <= width, line);
    assert.match(lines[2] ?? '', /^2026-11_000002 .*…$/);
  }
  // One column is enough to leave out at 80 characters.
  const at80 = fittedLines(rows, leaveOut, 80);
  assert.equal(at80[0]?.includes('SINCE'), false);
  assert.match(at80[0] ?? '', /EXPIRES/);
  assert.match(at80[3] ?? '', /^Left out for lack of space: SINCE\./);
  assert.match(fittedLines(rows, leaveOut, 60).at(-1) ?? '', /: SINCE, EXPIRES\./);
  assert.equal(fittedLines(rows, leaveOut, 132).length, 3, 'with room for all nothing is left out');
});

test('the live display fits 80 columns and says speed and time left of a set of terabytes', () => {
  const summary = {
    ...{
      setId: '2026-11_000001',
      status: 'running',
      reason: null,
      groups: 1234,
      plannedBytes: 12.34 * terabyte,
    },
    ...{ bytesIn: 1.23 * terabyte, bytesOut: 1.11 * terabyte, archives: 123, skipped: 1234, scanned: true },
    ...{ stagedBytes: 33e9, stages: { queued: 12, written: 3 }, copies: [{ drive: 'lto1' }] },
  } as unknown as SetSummary;
  const step = (activity: string, details: PendingStep['details']): PendingStep => ({
    ...{ activity, started: true, attempt: 1, lastFailure: undefined, details },
  });
  const steps = [
    step('compressGroup', { group: 1234, bytesIn: 11e9, bytesTotal: 12e9 }),
    step('compressGroup', {}),
    step('promoteArchive', { group: 7, stuck: true, why: 'its disk is full' }),
    step('writeToTape', { group: 1230, bytesOut: 11.22e9, bytesTotal: 12e9, seconds: 40 }),
  ];
  const view = { began: performance.now() - 3_600_000, bytesAtBegin: 0, budget: 36e9 };
  const lines = liveLines(summary, steps, view, 80);
  for (const line of lines) assert.ok(line.length <= 80 && !line.endsWith('…'), line);
  const text = lines.join('\n');
  assert.match(text, /total .* 1\.23 TB of 12\.34 TB, 34\d(\.\d+)? MB\/s, 9 h \d+ min left$/m);
  assert.match(text, /on tape +123 of 1,234 archives, 1\.11 TB, 1,234 skipped$/m);
  assert.match(text, /compress +the next group begins$/m);
  assert.match(text, /drive +lto1: writing group 1230 .* 11\.22 GB, 281 MB\/s$/m);
  assert.match(text, /queue +12 archives to be written, 3 to be synced$/m);
  assert.match(text, /waiting +moving to final \(group 7\): its disk is full$/m);
  assert.doesNotMatch(text, /group …/);
});

test('a reason that is longer than a line of the terminal is read to its end in the live display', () => {
  const reason =
    'The tape TAPE01 is of pool default, but the set writes to pool offsite. Load a tape of pool offsite.';
  const why =
    'staging has 1 GB free of the 12 GB that the group may take, and nothing on it is about to be released';
  const summary = {
    ...{
      setId: '2026-11_000001',
      status: 'waiting_for_tape',
      reason,
      groups: 1,
      plannedBytes: 1,
      bytesIn: 0,
    },
    ...{ bytesOut: 0, archives: 0, skipped: 0, scanned: true, stagedBytes: 0, stages: {}, copies: [] },
  } as unknown as SetSummary;
  const waiting = { group: 7, why, stuck: true };
  const steps: PendingStep[] = [
    { activity: 'compressGroup', started: true, attempt: 1, lastFailure: undefined, details: waiting },
  ];
  const view = { began: 0, bytesAtBegin: 0, budget: 1 };
  for (const columns of [80, 60]) {
    const lines = liveLines(summary, steps, view, columns);
    for (const line of lines) assert.ok(line.length <= columns, line);
    const text = lines.map((line) => line.trim()).join(' ');
    assert.ok(text.includes(reason) && text.includes(why), text);
  }
  // What never ends does not fill the screen.
  const endless = { ...summary, reason: 'why '.repeat(1000) };
  assert.ok(liveLines(endless, [], view, 80).length < 15);
});

test('the last column of a table is left room for, where others can be left out', () => {
  const rows = [
    ['SET', 'STATUS', 'ENTRIES', 'SOURCES'],
    ['2026-11_000001', 'completed with skips', 12_345, '/srv/data'],
  ];
  assert.match(fittedLines(rows, ['ENTRIES'], 55)[1] ?? '', /completed with skips +\/srv\/data$/);
});

test('columns of a table begin below each other, in whatever letters the names are written', () => {
  const rows = [
    ['TAPE', 'ENTRIES', 'STATE', 'SOURCES'],
    ['磁带一号', 12, '可用', '/备份/照片'],
    ['LTO-📼-9', 1_234_567, 'full', '/home'],
    ['café', 7, 'lost\u200b', '/srv'],
  ];
  const lines = tableLines(rows);
  const begins = (column: number) =>
    lines.map((line, row) => {
      const cell = String(rows[row]?.[column]).replace('\u200b', '\\xe2\\x80\\x8b');
      return stringWidth(line.slice(0, line.indexOf(cell)));
    });
  for (const column of [0, 2, 3]) assert.equal(new Set(begins(column)).size, 1, lines.join('\n'));
  for (const width of [30, 40, 60])
    for (const line of fittedLines(rows, ['STATE'], width).slice(0, rows.length))
      assert.ok(stringWidth(line) <= width, line);
});

test('a reason in Chinese is folded by the columns that it takes, and read to its end', () => {
  const why = '暂存磁盘已满，请先释放空间。'.repeat(6);
  const lines = wrapTo(`  waiting   moving to final: ${why}`, 80, 12);
  for (const line of lines) assert.ok(stringWidth(line) <= 80, line);
  assert.ok(
    lines
      .map((line) => line.trim())
      .join('')
      .endsWith(why),
  );
  for (const width of [40, 41])
    for (const line of wrapTo(`  waiting   ${why.repeat(5)}`, width, 12))
      assert.ok(stringWidth(line) <= width, line);
});

test('a table of plain text is the same when each character counts as a column', () => {
  const rows = [
    ['NAME', 'FILES', 'SOURCES'],
    ['2026-11_000001', 1_234_567, '/srv/a b'],
    ['x', -12, ''],
  ];
  assert.deepEqual(
    alignedLines(rows, (text) => text.length),
    tableLines(rows),
  );
  assert.match(tableLines(rows).join('\n'), /1,234,567.*\n.* -12$/);
});
