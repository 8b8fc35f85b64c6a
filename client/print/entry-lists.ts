import { listedFiles, type ListKind, type ListedFile } from '../../catalog/files/listed-files.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { formatCount } from '../../config/counts.js';
import { jsonPath, displayPath } from './names.js';
import type { Session } from '../session.js';
import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Maximum number of entries of each list shown at the end of a set and by `status`; `ls` shows all. */
const shownFirst = 20;

/** What the lists are called, and what is in them. */
export const headings: Record<ListKind, { label: string; means: string }> = {
  skipped: { label: english`Skipped:`, means: english`not completely in the backup` },
  flagged: { label: english`Flagged:`, means: english`in the backup, but changed meanwhile` },
};

/** Prints the skipped and flagged entries of a set: how many, the first of each, and how to see the rest. */
export async function printEntryLists(session: Session, summary: SetSummary): Promise<void> {
  for (const kind of ['skipped', 'flagged'] as const) {
    const total = summary[kind];
    if (total === 0) continue;
    const { label, means } = headings[kind];
    session.print(t`  ${label} ${formatCount(total, 'entry', 'entries')}, ${means}:`);
    const rows = await firstListed(await session.catalog(), summary.setId, kind);
    for (const row of rows) session.print(`    ${displayPath(row.path)}${t`: `}${shown(row.reason ?? '')}`);
    if (total > rows.length)
      session.print(
        t`    … and ${formatCount(total - rows.length, 'more', 'more')}: \`tapeflow ls ${summary.setId} --${kind}\``,
      );
  }
}

/** The same lists for programs: the first entries of each; `ls SET --skipped --json` has all. */
export async function entryListsObject(catalog: Catalog, setId: string): Promise<object> {
  const objects = async (kind: ListKind) =>
    (await firstListed(catalog, setId, kind)).map(({ path, reason }) => ({ ...jsonPath(path), reason }));
  return { skippedFirst: await objects('skipped'), flaggedFirst: await objects('flagged') };
}

/** The first entries of one of the lists. */
export async function firstListed(catalog: Catalog, setId: string, kind: ListKind): Promise<ListedFile[]> {
  const rows: ListedFile[] = [];
  for await (const page of listedFiles(catalog, setId, kind, shownFirst)) rows.push(...page);
  return rows;
}
