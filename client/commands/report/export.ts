import { once } from 'node:events';
import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { fromBytes } from '../../../entry/byte-string.js';
import { fileRows } from '../../../catalog/files/files.js';
import { filesBelow } from '../../../catalog/files/search.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import type { FileRow } from '../../../catalog/rows.js';
import { finalSetStates } from '../../../catalog/schema/set-tables.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { formatCount, formatNumber } from '../../../config/counts.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { exitCodes } from '../../exit-codes.js';
import { displayPath, jsonPath } from '../../print/names.js';
import { checksumLine } from '../../report/checksum-line.js';
import { inReadOnlySession, type Session } from '../../session.js';

/** Files that are not in a list are named up to this number. */
const namedAtMost = 20;

/** `export sha256sum SET`: what others can check a set by. */
export function addExport(program: Command): void {
  const parent = program.command('export');
  parent
    .command('sha256sum')
    .description(
      'print the SHA-256 of every file of a set as `sha256sum -c` reads it, to check what was restored',
    )
    .argument('<set>', 'the set')
    .action((setId: string, _options, command: Command) =>
      inReadOnlySession(command, (session) => exportHashes(session, setId)),
    );
}

async function exportHashes(session: Session, setId: string): Promise<void> {
  const catalog = await session.catalog();
  const { state } = await setWithFiles(catalog, setId);
  if (!finalSetStates.includes(state))
    throw new TapeflowFailure(
      'SetUnfinished',
      english`The set ${setId} is unfinished: its list would not be whole.`,
      {
        advice: english`\`tapeflow watch ${setId}\` follows it to its end.`,
      },
    );
  let listed = 0;
  const left = new Map<string, { files: number; first: string[] }>();
  for await (const page of filesBelow(catalog, setId, '')) {
    for (const row of page) {
      if (row.type !== 'file') continue;
      const found = await hashOf(catalog, row);
      if ('why' in found) {
        const { files, first } = left.get(found.why) ?? { files: 0, first: [] };
        if (first.length < namedAtMost) first.push(displayPath(row.path));
        left.set(found.why, { files: files + 1, first });
        continue;
      }
      listed += 1;
      if (session.json) session.emit({ ...jsonPath(row.path), sha256: found.sha256, size: row.size });
      else if (!process.stdout.write(checksumLine(found.sha256, row.path)))
        await once(process.stdout, 'drain');
    }
  }
  const leftOut = [...left.values()].reduce((sum, { files }) => sum + files, 0);
  if (session.json) session.emit({ setId, files: listed, leftOut });
  for (const [why, { files, first }] of left) {
    session.say(t`${formatCount(files, 'file is', 'files are')} not in the list, since ${why}:`);
    for (const name of first) session.say(`  ${name}`);
    if (files > first.length) session.say(t`  and ${formatNumber(files - first.length)} more`);
  }
  if (leftOut > 0) process.exitCode = exitCodes.skipped;
}

/** The hash of a file's content, or why the catalog knows none. */
async function hashOf(catalog: Catalog, row: FileRow): Promise<{ sha256: string } | { why: string }> {
  if (row.state === 'skipped') return { why: english`the backup does not have it whole (\`ls --skipped\`)` };
  if (row.stored_size !== null)
    return {
      why: english`it has holes, and its hash is that of what is stored (\`restore\` and \`verify\` compare that)`,
    };
  if (row.sha256 !== null) return { sha256: row.sha256 };
  // A further name of a file has no hash of its own.
  const target = row.link_target ?? row.hard_link_of;
  const [first] = target === null ? [] : await fileRows(catalog, row.set_id, fromBytes(target));
  if (first?.stored_size === null && first.sha256 !== null && first.state !== 'skipped')
    return { sha256: first.sha256 };
  return { why: english`its hash is not known` };
}
