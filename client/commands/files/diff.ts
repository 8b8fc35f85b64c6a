import type { Command } from 'commander';
import { fromBytes, displayName } from '../../../entry/byte-string.js';
import { compareSets, type ChangedField, type EntryChange } from '../../../catalog/sets/compare-sets.js';
import type { FileRow } from '../../../catalog/rows.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { formatNumber } from '../../../config/counts.js';
import { formatTime } from '../../../config/local-time.js';
import { jsonHash } from '../../print/file-hash.js';
import { jsonName, jsonPath, displayPath } from '../../print/names.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** `diff SETA SETB`: what was added, removed and changed between two sets. */
export function addDiff(program: Command): void {
  program
    .command('diff')
    .argument('<set-a>', 'the earlier set')
    .argument('<set-b>', 'the later set')
    .action((before: string, after: string, _options, command: Command) =>
      inReadOnlySession(command, (session) => diff(session, before, after)),
    );
}

async function diff(session: Session, before: string, after: string): Promise<void> {
  const catalog = await session.catalog();
  await setWithFiles(catalog, before);
  await setWithFiles(catalog, after);
  const counts: Record<EntryChange['change'], number> = { added: 0, removed: 0, changed: 0 };
  for await (const change of compareSets(catalog, before, after)) {
    counts[change.change] += 1;
    if (session.json) session.emit(changeObject(change));
    else session.print(changeLine(change));
  }
  const { added, removed, changed } = counts;
  if (session.json) session.emit({ before, after, added, removed, changed });
  else
    session.say(
      t`${formatNumber(added)} added, ${formatNumber(removed)} removed, ${formatNumber(changed)} changed.`,
    );
}

function changeObject(change: EntryChange): object {
  const { row } = change;
  const object = { change: change.change, ...jsonPath(row.path), ...valuesOf(row) };
  if (change.change !== 'changed') return object;
  return { ...object, fields: change.fields, before: valuesOf(change.before) };
}

function valuesOf(row: FileRow): object {
  const { type, size, mtime_s, mtime_ns, link_target } = row;
  const target = type === 'symlink' && link_target !== null ? jsonName('target', fromBytes(link_target)) : {};
  return {
    type,
    size,
    mtime: new Date(mtime_s * 1000 + Math.floor(mtime_ns / 1e6)),
    ...jsonHash(row),
    ...target,
  };
}

const fieldWords: Record<ChangedField, string> = {
  ...{ size: english`size`, mtime: english`mtime`, type: english`type`, target: english`target` },
  ...{ sha256: english`sha256`, storedSha256: english`storedSha256` },
};

const marks = { added: '+', removed: '-', changed: 'M' } as const;

function changeLine(change: EntryChange): string {
  const line = `${marks[change.change]} ${displayPath(change.row.path)}`;
  if (change.change !== 'changed') return line;
  const { before, row } = change;
  const words = change.fields.map((field) => {
    const [a, b] = [shownField(before, field), shownField(row, field)];
    // Times that differ by less than a second look the same.
    const word = shown(fieldWords[field]);
    return a === b ? word : `${word} ${a} → ${b}`;
  });
  return `${line}  (${words.join(', ')})`;
}

function shownField(row: FileRow, field: ChangedField): string {
  if (field === 'mtime') return formatTime(row.mtime_s * 1000);
  if (field === 'target') return row.link_target === null ? '' : displayName(fromBytes(row.link_target));
  // Hashes are meaningless to people.
  return field === 'sha256' || field === 'storedSha256' ? '' : String(row[field]);
}
