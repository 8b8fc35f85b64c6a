import {
  newestVersion,
  notWholeBelow,
  type NewestVersion,
  type NotWhole,
} from '../../../catalog/files/newest-version.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { formatCount } from '../../../config/counts.js';
import { displayName } from '../../../entry/byte-string.js';
import { t } from '../../../messages/shown.js';
import { shellWord } from '../../print/names.js';

/** Maximum number of entries of a folder that are named. */
const shownFirst = 20;

/** What a `restore latest` was asked for. */
export interface AskedLatest {
  /** The absolute path. */
  where: string;
  /** The member names that it may mean. */
  names: readonly string[];
  /** The host that has it; null: the home of the installation. */
  host: string | null;
  /** Only sets that ended before this time, in milliseconds since 1970. */
  before: number | undefined;
  /** Where it goes, as options of a command line. */
  target: string;
}

/**
 * What there is to say of what a `restore latest` takes: newer versions of a file that are not whole, or what of a
 * folder is not whole in its newest set, and which earlier set has it.
 */
export async function latestNotes(
  db: Catalog,
  { setId, isWhole, damaged }: NewestVersion,
  asked: AskedLatest,
): Promise<string[]> {
  const { where, names, target } = asked;
  if (!isWhole)
    return [t`No set on tape holds ${where} whole; what the newest one, ${setId}, has of it is restored.`];
  const newer = damaged.map(
    (version) =>
      t`Set ${version.setId} is newer than ${setId}, but ${where} is not whole in it: ${plain(version.reason)}.
        \`tapeflow restore ${version.setId} --include ${shellWord(where)} ${target}\` restores what it has of it.`,
  );
  const { count, first } = await notWholeBelow(db, setId, names, shownFirst);
  if (count === 0) return newer;
  const lines: string[] = [];
  for (const entry of first) lines.push(await entryNote(db, entry, asked));
  const more = count - first.length;
  return [
    ...newer,
    t`Below ${where}, ${formatCount(count, 'entry is', 'entries are')} not whole in the newest set, ${setId}:`,
    ...lines,
    ...(more > 0 ? [t`… and ${formatCount(more, 'more', 'more')}: \`tapeflow ls ${setId} --skipped\``] : []),
  ];
}

async function entryNote(
  db: Catalog,
  { name, reason }: NotWhole,
  { before, host, target }: AskedLatest,
): Promise<string> {
  const [path, why] = [displayName(name), plain(reason)];
  if (name.endsWith('/')) return t`/${path}: ${why}.`;
  const found = await newestVersion(db, [name], before, host);
  if (found?.isWhole !== true) return t`/${path}: ${why}. No set on tape holds it whole.`;
  return t`/${path}: ${why}. Set ${found.setId} has it whole:
    \`tapeflow restore ${found.setId} --include ${shellWord(`/${path}`)} ${target} --overwrite always\``;
}

function plain(reason: string): string {
  return reason.replace(/\.$/, '');
}
