import { realpath } from 'node:fs/promises';
import { isInPostgres } from '../../catalog/dialect.js';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import type { SetRow } from '../../catalog/rows.js';
import { lastGroup } from '../../catalog/sets/scan-state.js';
import { takenOf } from '../../catalog/sets/taken-options.js';
import { usageFailure } from '../../config/failures.js';
import type { ExcludeRule } from '../../entry/excludes.js';
import type { Deps } from '../../operations/deps.js';
import { requireSources } from '../../source/require-sources.js';
import { english } from '../../messages/sentence.js';
import { whomOfSource, type AskedByThread } from './asked-sources.js';

/**
 * Refuses, before anything is written of a set, what its command could not see, if it ran on another host: a source
 * that is missing, or a link. Throws usage failures, with which the set ends.
 */
export async function requireHere(
  { catalog, settings }: Deps,
  set: SetRow,
  asks: AskedByThread,
): Promise<void> {
  // A file has one host.
  if (!isInPostgres(catalog) || (await lastGroup(catalog, set.id)) !== undefined) return;
  const sources = JSON.parse(set.sources) as string[];
  const taken = takenOf(set);
  let looks = 0;
  const onLook = (source: string) => {
    looks += 1;
    asks.follow({ moves: () => looks, whom: () => whomOfSource(source) });
  };
  try {
    const excludes = JSON.parse(set.excludes) as ExcludeRule[];
    await requireSources(settings, sources, excludes, onLook, taken);
    for (const source of sources) {
      if (source === taken.list?.file) continue;
      onLook(source);
      const real = await realpath(source);
      if (real === source) continue;
      throw usageFailure(
        'SourceIsLink',
        english`The source ${source} of host ${settings.TAPEFLOW_HOST} leads through a link to ${real}.`,
        english`Give that path.`,
      );
    }
  } finally {
    asks.follow(undefined);
  }
}

/** True when the drive is on another host than this worker. */
export async function isDriveElsewhere({ catalog, settings }: Deps, drive: string): Promise<boolean> {
  if (!isInPostgres(catalog)) return false;
  const row = (await listHostDrives(catalog)).find(({ name }) => name === drive);
  return row !== undefined && row.host !== settings.TAPEFLOW_HOST;
}
