import type { Catalog } from '../../../catalog/open-catalog.js';
import { placesText } from '../../../catalog/sets/copy-places.js';
import { recipientsText } from '../../../catalog/sets/recipients.js';
import { takenText } from '../../../catalog/sets/taken-options.js';
import { baseFor } from '../../../catalog/sets/set-base.js';
import { excludedCounts } from '../../../catalog/sets/set-summary.js';
import { formatCount } from '../../../config/counts.js';
import { formatBytes } from '../../../config/sizes.js';
import type { Settings } from '../../../config/settings/settings.js';
import { ownEntries, ownFolders } from '../../../disk/own-folders.js';
import { ThreadWatch } from '../../../disk/thread-watch.js';
import { displayName } from '../../../entry/byte-string.js';
import { newTally } from '../../../entry/tally.js';
import { snapshotOptions } from '../../../operations/sets/set-options.js';
import { leftOutTexts } from '../../../source/taken/left-out-texts.js';
import { wouldStore, type WouldStore } from '../../../source/taken/dry-run.js';
import { shrunkFailure } from '../../../source/shrunk.js';
import { soundSources } from '../../../source/sound-sources.js';
import { unpackNames } from '../../../source/taken/listed-paths.js';
import type { Taken } from '../../../source/taken/resolve-taken.js';
import { setLimit } from '../../../tape/requirements/tape-limit.js';
import { tapesNeeded, type TapesNeeded } from '../../../tape/requirements/tapes-needed.js';
import { leftOutLines, uselessExcludes } from '../../print/excluded.js';
import { jsonName } from '../../print/names.js';
import { modeText } from '../../print/set-summary.js';
import { exitCodes } from '../../exit-codes.js';
import type { Session } from '../../session.js';
import type { PlannedBackup } from './plan-backup.js';
import { shown, t } from '../../../messages/shown.js';

/** Maximum number of skipped entries that are printed. */
const skippedShown = 20;

type Planned = Pick<
  PlannedBackup,
  | 'pool'
  | 'drive'
  | 'places'
  | 'direct'
  | 'mode'
  | 'ignoreCtime'
  | 'ignoreInode'
  | 'allowShrunk'
  | 'recipients'
  | 'hook'
> & { host: string | null };

/**
 * `backup --dry-run`: says what a set would store, how much, on how many tapes, and whether it would be refused since a
 * source holds too little, which sets the exit code; writes nothing.
 */
export async function dryRun(session: Session, planned: Planned, asked: Taken): Promise<void> {
  const { sources, excludes, taken, list } = asked;
  const { settings, json } = session;
  const catalog = await session.catalog();
  const pools = (planned.places ?? [planned]).map(({ pool }) => pool);
  const base = await baseFor(
    catalog,
    planned.mode,
    { sources: JSON.stringify(sources), host: planned.host, recipients: recipientsText(planned.recipients) },
    pools,
  );
  const tally = newTally(excludes.length, taken);
  const walked = {
    sources: sources.filter((source) => source !== taken.list?.file),
    ...(list === undefined ? {} : { listed: unpackNames(list) }),
    ...{ excludes, options: taken, tally, ownEntries: ownEntries(settings) },
    ownFolders: ownFolders(settings).map((folder) => folder.path),
    onLeftOut: (where: string, why: string) => tally.leftOut.push(`${where} (${why})`),
  };
  const refused =
    planned.allowShrunk === true ? undefined : await refusalOf(catalog, settings, planned.host, asked);
  if (refused !== undefined) process.exitCode = exitCodes.failure;
  const { ignoreCtime, ignoreInode } = planned;
  const { groupBytes, groupFiles, stagingBytes } = snapshotOptions(settings);
  const places = placesText(planned.places ?? []);
  const tapeBytes = (await setLimit(catalog, { ...planned, places }))?.bytes ?? Number.MAX_SAFE_INTEGER;
  const { direct } = planned;
  const limits = { groupBytes, groupFiles, stagingBytes, direct, tapeBytes, ignoreCtime, ignoreInode };
  const skipped: string[] = [];
  const found = await wouldStore(catalog, walked, base.id, limits, (entry, unchanged) => {
    const { name, type, stats, skipped: reason } = entry;
    if (json)
      session.emit({ ...jsonName('path', `/${name}`), type, size: stats?.size ?? null, unchanged, reason });
    else if (reason !== null && skipped.length < skippedShown)
      skipped.push(`/${displayName(name)}: ${shown(reason)}`);
  });
  const tapes: TapesNeeded[] = [];
  for (const pool of pools) tapes.push(await tapesNeeded(catalog, pool, found.archiveBytes));
  const mode = base.id === undefined ? 'full' : planned.mode;
  const counts = {
    excludes: excludedCounts(excludes, taken, tally),
    leftOut: leftOutTexts(tally),
    scanned: true,
  };
  if (json) {
    session.emit({
      dryRun: true,
      mode,
      base: base.id ?? null,
      ...found,
      tapes,
      ...counts,
      hook: planned.hook ?? null,
      refused: refused ?? null,
    });
    return;
  }
  if (base.note !== undefined) session.say(shown(base.note));
  for (const line of foundLines(found, modeText(mode, base.id ?? null))) session.print(line);
  for (const needed of tapes) session.print(`  ${tapesText(needed)}`);
  for (const line of leftOutLines(counts, t`Left out:`)) session.print(line);
  for (const line of uselessExcludes(counts)) session.print(t`  Warning: ${line}`);
  if (found.skipped > 0)
    session.print(
      t`  Skipped: ${formatCount(found.skipped, 'entry', 'entries')}, not completely in the backup:`,
    );
  for (const line of skipped) session.print(`    ${line}`);
  if (found.skipped > skipped.length)
    session.print(t`    … and ${formatCount(found.skipped - skipped.length, 'more', 'more')}`);
  for (const line of hookLines(settings, planned.hook)) session.print(line);
  if (refused !== undefined) session.print(t`  It would be refused: ${refused}`);
}

/** Why a set of these sources would not begin: one holds much less than in earlier sets. */
async function refusalOf(
  catalog: Catalog,
  settings: Settings,
  host: string | null,
  { sources, excludes, taken }: Taken,
): Promise<string | undefined> {
  const compared = {
    id: '',
    host,
    sources: JSON.stringify(sources),
    excludes: JSON.stringify(excludes),
    taken: takenText(taken),
  };
  const own = {
    ownFolders: ownFolders(settings).map((folder) => folder.path),
    ownEntries: ownEntries(settings),
  };
  const job = { sources, excludes, options: taken, ...own };
  const sounded = await soundSources(catalog, compared, job, new ThreadWatch());
  return typeof sounded === 'string' ? undefined : shrunkFailure(sounded).sentence;
}

/** What its hook would run, and has not now. */
function hookLines({ hooks }: Settings, name: string | undefined): string[] {
  if (name === undefined) return [];
  return (['before', 'after'] as const).map((phase) => {
    const command = hooks[name]?.[phase];
    const runs = command === undefined ? t`nothing` : command.join(' ');
    return phase === 'before' ? t`  Hook ${name}, before: ${runs}` : t`  Hook ${name}, after: ${runs}`;
  });
}

function foundLines(found: WouldStore, mode: string): string[] {
  const { entries, bytes, unchanged, archives } = found;
  const lines = [
    t`Nothing is stored: this is what a set would do (${mode}).`,
    t`  ${formatCount(entries, 'entry', 'entries')}, ${formatBytes(bytes)}
      in ${formatCount(archives, 'archive')}, before compression`,
  ];
  if (unchanged === 0) return lines;
  return [...lines, t`  ${formatCount(unchanged, 'file is', 'files are')} unchanged, and not stored again`];
}

function tapesText({ pool, names, more }: TapesNeeded): string {
  const known = names.join(', ');
  if (more === undefined)
    return names.length === 0
      ? t`No tape of pool ${pool} is known, so it cannot be said how many are needed.`
      : t`Not enough room on the tapes of pool ${pool} (${known}) is known,
        so it cannot be said how many are needed.`;
  const most = formatCount(names.length + more, 'tape');
  return names.length === 0
    ? t`At most ${most} of pool ${pool}`
    : t`At most ${most} of pool ${pool} (${known})`;
}
