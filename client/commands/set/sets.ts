import type { Command } from 'commander';
import { SetRetention } from '../../../catalog/sets/set-retention.js';
import { listSets } from '../../../catalog/sets/sets.js';
import { summarizeSet } from '../../../catalog/sets/set-summary.js';
import { formatBytes } from '../../../config/sizes.js';
import { formatTime } from '../../../config/local-time.js';
import { modeWord, resultObject } from '../../print/set-summary.js';
import { setExpiryText, setStateText } from '../../print/set-row.js';
import { sourcesText } from '../../print/set-status.js';
import { isoTime, reasonObjects } from '../../print/retention-text.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { printTable } from '../../print/print-table.js';
import { t } from '../../../messages/shown.js';

/** Columns that a narrow terminal leaves out, in this order. */
function leftOutFirst(): string[] {
  return [t`UNCHANGED`, t`BYTES`, t`ARCHIVES`, t`SINCE`, t`EXPIRES`, t`MODE`, t`TAPES`, t`ENTRIES`];
}

/** `sets`: one line per set. */
export function addSets(program: Command): void {
  program.command('sets').action((_options, command: Command) => inReadOnlySession(command, printSets));
}

async function printSets(session: Session): Promise<void> {
  const catalog = await session.catalog();
  const rows: (string | number)[][] = [
    [
      ...[t`SET`, t`STATUS`, t`MODE`, t`SINCE`, t`STARTED`, t`ARCHIVES`, t`ENTRIES`, t`UNCHANGED`],
      ...[t`BYTES`, t`ON TAPE`, t`TAPES`, t`EXPIRES`, t`SOURCES`],
    ],
  ];
  const now = Date.now();
  const keeping = await SetRetention.of(catalog, session.settings.retentions);
  for (const set of await listSets(catalog)) {
    const summary = await summarizeSet(catalog, set.id);
    if (session.json) {
      session.emit({
        ...resultObject(summary),
        mode: summary.mode,
        base: summary.base,
        unchanged: summary.unchanged,
        lostGroups: summary.lostGroups,
        ...(summary.host === null ? {} : { host: summary.host }),
        ...(summary.recipients === undefined ? {} : { recipients: summary.recipients }),
        sources: summary.sources,
        created: new Date(set.created_at).toISOString(),
        reason: summary.reason,
        expires: isoTime(keeping.expires(set.id)),
        expired: keeping.expires(set.id) <= now,
        keptBy: reasonObjects(keeping.countedReasons(set.id)),
        neededBy: keeping.unexpiredDependents(set.id, now),
      });
      continue;
    }
    rows.push([
      set.id,
      setStateText(set, summary),
      set.recipients === null ? modeWord(set.mode) : t`${modeWord(set.mode)}, encrypted`,
      set.base_id ?? '',
      formatTime(set.created_at),
      summary.archives,
      summary.files,
      summary.unchanged,
      formatBytes(summary.bytesIn),
      formatBytes(summary.bytesOut),
      summary.tapes.join(', '),
      setExpiryText(keeping, set, now),
      sourcesText(summary, ' '),
    ]);
  }
  if (session.json) return;
  if (rows.length === 1) session.print(t`There are no sets yet: \`tapeflow backup PATH…\` makes the first.`);
  else await printTable(session, rows, leftOutFirst());
}
