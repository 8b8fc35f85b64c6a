import path from 'node:path';
import type { Command } from 'commander';
import { fileEverywhere, holderOf } from '../../../catalog/files/files.js';
import type { FileRow } from '../../../catalog/rows.js';
import { archiveOf } from '../../../catalog/groups/groups.js';
import { setNamed } from '../../../catalog/sets/sets.js';
import { isSetId } from '../../../catalog/sets/set-id.js';
import { usageFailure } from '../../../config/failures.js';
import { parseArchiveName } from '../../../entry/archive-name.js';
import { jsonHash } from '../../print/file-hash.js';
import { jsonPath, memberNamesOf, displayPath } from '../../print/names.js';
import { inReadWriteSession, userPath, type Session } from '../../session.js';
import { traceGroup } from '../../trace/trace-group.js';
import { traceSet } from '../../trace/trace-set.js';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';

/** `trace SET|ARCHIVE|FILE`: where it is, what it waits for, and what to do, from catalog, history and disk. */
export function addTrace(program: Command): void {
  program
    .command('trace')
    .argument('<set|archive|file>', 'a set id, the name of an archive, or the path of a source file')
    .action((what: string, _options, command: Command) =>
      inReadWriteSession(command, (session) => trace(session, what)),
    );
}

async function trace(session: Session, what: string): Promise<void> {
  const archive = parseArchiveName(path.basename(what));
  // A source file may be named like one of our archives.
  const files = isSetId(what) ? [] : await filesNamed(session, what);
  if (files.length > 0) {
    for (const row of files) {
      if (row.state === 'unchanged') await traceUnchanged(session, row);
      else await traceGroup(session, row.set_id, row.group_no, row);
    }
  } else if (archive !== undefined) {
    await setNamed(await session.catalog(), archive.setId);
    await traceGroup(session, archive.setId, archive.group, undefined);
  } else if (isSetId(what)) {
    await traceSet(session, what);
  } else {
    throw usageFailure(
      'NotTraced',
      userPath(what) === what
        ? english`No set, no archive and no path that any set has seen is called ${what}.`
        : english`No set, no archive and no path that any set has seen is called ${what}
          (looked for ${userPath(what)}).`,
      english`\`tapeflow sets\` lists sets; \`tapeflow find NAME\` finds files.`,
    );
  }
}

/** All sets' rows of a source path, as a file and as a folder. */
async function filesNamed(session: Session, what: string): Promise<FileRow[]> {
  const catalog = await session.catalog();
  const rows: FileRow[] = [];
  for (const name of memberNamesOf(what))
    rows.push(...(await fileEverywhere(catalog, name)), ...(await fileEverywhere(catalog, `${name}/`)));
  return rows;
}

/** Says which archive holds an unchanged file; that set's own row has the rest. */
async function traceUnchanged(session: Session, row: FileRow): Promise<void> {
  const { setId, group } = holderOf(row);
  const archive = (await archiveOf(await session.catalog(), setId, group))?.name ?? null;
  if (session.json) {
    const { state, tar_offset: offset } = row;
    const file = { ...jsonPath(row.path), state, ...jsonHash(row), offset };
    session.emit({ setId: row.set_id, file, archive });
    return;
  }
  const path = displayPath(row.path);
  session.print(
    archive === null
      ? t`${path} in set ${row.set_id}: unchanged since set ${setId}, in an archive that is gone`
      : t`${path} in set ${row.set_id}: unchanged since set ${setId}, in ${archive}`,
  );
}
