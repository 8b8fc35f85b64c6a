import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileRow } from '../../catalog/rows.js';
import { entryFilter } from '../../client/commands/files/find-files.js';
import { rowFilter, type RowCriteria } from '../../client/print/row-filter.js';
import { TapeflowFailure } from '../../config/failures.js';
import { globProblem, globFilter } from '../../entry/globs.js';

const now = Date.parse('2026-11-24T12:00:00Z');

function row(facts: { type?: string; size?: number; mtime?: string }): FileRow {
  const { type = 'file', size = 100, mtime = '2026-11-24T00:00:00Z' } = facts;
  return { type, size, mtime_s: Date.parse(mtime) / 1000, mtime_ns: 0 } as FileRow;
}

test('find takes entries by the time of their change and files by their size', () => {
  const old = row({ mtime: '2026-11-01T00:00:00Z' });
  const cases: [RowCriteria, FileRow, boolean][] = [
    [{ newerThan: '2d' }, row({}), true],
    [{ newerThan: '2d' }, old, false],
    [{ newerThan: '12h' }, row({}), false],
    [{ olderThan: '2w' }, old, true],
    [{ olderThan: '4w' }, old, false],
    [{ newerThan: '2026-10-31', olderThan: '2026-11-03' }, old, true],
    [{ newerThan: '2026-11-01T00:00:01Z' }, old, false],
    [{ newerThan: '2026-10-31 12:00' }, old, true],
    [{ larger: '99' }, row({}), true],
    [{ larger: '100' }, row({}), false],
    [{ smaller: '101' }, row({}), true],
    [{ smaller: '100' }, row({}), false],
    [{ smaller: '1K' }, row({ type: 'directory', size: 0 }), false],
    [{ newerThan: '2d' }, row({ type: 'directory', size: 0 }), true],
    [{ larger: '1K', newerThan: '2d' }, row({ size: 2000 }), true],
  ];
  for (const [wish, entry, isWished] of cases)
    assert.equal(rowFilter(wish, now)(entry), isWished, JSON.stringify(wish));
});

test('a time or size that is none is refused with what to write', () => {
  const wrong: [RowCriteria, RegExp][] = [
    [{ newerThan: 'yesterday' }, /--newer-than cannot be "yesterday"\. It is a date such as/],
    [{ olderThan: '2026-13-41' }, /--older-than/],
    [{ larger: 'big' }, /--larger cannot be "big"\. It is a size such as/],
    [{ smaller: '' }, /--smaller/],
  ];
  for (const [wish, sentence] of wrong)
    assert.throws(
      () => rowFilter(wish, now),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && sentence.test(error.sentence),
    );
});

test('a glob that matches nothing is found out, and one that matches something is not', () => {
  for (const glob of ['', '[', 'a[', '[]', '[!]', 'a[b', '#x', 'a\\', 'a\\\\\\', '[a]['])
    assert.notEqual(globProblem(glob), undefined, glob);
  const good: [string, string][] = [
    ['[a]', 'a'],
    ['[!a]', 'b'],
    ['\\[', '['],
    ['\\#x', '#x'],
    ['x]', 'x]'],
    ['a#', 'a#'],
    [' ', ' '],
    ['a ', 'a '],
    ['a\\ ', 'a '],
  ];
  for (const [glob, name] of good) {
    assert.equal(globProblem(glob), undefined, glob);
    assert.ok(globFilter([glob])(name), glob);
  }
});

test('find means every entry of that name, also one inside of a folder of that name', () => {
  const cases: [string, string, boolean][] = [
    ['*', 'srv/a/b', true],
    ['*', 'srv/a/', true],
    ['*.d', 'etc/a.d/b.d', true],
    ['*.d', 'etc/a.d/b.d/', true],
    ['*.d', 'etc/a.d/file', false],
    ['**/x', 'x/x', true],
    ['x/', 'x/x', false],
    ['x/', 'x/x/', true],
    ['/etc', 'etc/a', false],
    ['/etc/*.d', 'etc/a.d/', true],
    ['/etc/*.d', 'etc/a.d/b.d', false],
    ['b', 'a/B', false],
  ];
  for (const [glob, name, isMeant] of cases)
    assert.equal(entryFilter(glob)(name), isMeant, `${glob} of ${name}`);
});
