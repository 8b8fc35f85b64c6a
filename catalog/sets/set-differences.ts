import { placesOf, type CopyPlace } from './copy-places.js';
import { ignoredSigns } from './ignored-signs.js';
import type { SetRow } from '../rows.js';

/** The arguments of a new set. */
export interface NewSet {
  /** From `--set`; by default the next free number of the month. */
  id?: string | undefined;
  sources: string[];
  excludes: string[];
  pool: string;
  drive: string;
  /** Where each copy goes, if there are several; the first one has the pool and drive above. */
  places?: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
  /** The settings that it runs with; of these, only its `IgnoredSigns` make it another set. */
  options: unknown;
  /** The schedule run that asks for it; it gets one set, however often it asks. */
  madeBy?: string | undefined;
}

/** How a set differs from what is wanted, as parts of a sentence about the set; empty: it is the same. */
export function differencesFrom(set: SetRow, wanted: NewSet): string[] {
  const found: string[] = [];
  // Older sets did not record the requested mode.
  const mode = set.asked_mode ?? set.mode;
  if (mode !== wanted.mode) found.push(`it is ${mode}, not ${wanted.mode}`);
  const [has, wants] = [placesOf(set), placesWanted(wanted)];
  const drives = (places: readonly CopyPlace[]) => places.map(({ drive }) => drive).join(' and ');
  if (poolsText(has) !== poolsText(wants))
    found.push(`it goes to ${poolsText(has)}, not to ${poolsText(wants)}`);
  else if (drives(has) !== drives(wants))
    found.push(`it is written in drive ${drives(has)}, not in ${drives(wants)}`);
  const excludes = JSON.parse(set.excludes) as string[];
  if (JSON.stringify(excludes) !== JSON.stringify(wanted.excludes))
    found.push(`it leaves out ${globsText(excludes)}, not ${globsText(wanted.excludes)}`);
  if ((set.direct === 1) !== wanted.direct)
    found.push(`it is ${set.direct === 1 ? 'compressed directly to tape' : 'staged before it is written'}`);
  const [ignores, ignored] = [ignoredSigns(JSON.parse(set.options)), ignoredSigns(wanted.options)];
  if (ignores.ignoreCtime !== ignored.ignoreCtime)
    found.push(`it was begun ${ignores.ignoreCtime ? 'with' : 'without'} --ignore-ctime`);
  if (ignores.ignoreInode !== ignored.ignoreInode)
    found.push(`it was begun ${ignores.ignoreInode ? 'with' : 'without'} --ignore-inode`);
  return found;
}

/** Where each copy of a requested set goes. */
export function placesWanted({ places, pool, drive }: NewSet): CopyPlace[] {
  return places !== undefined && places.length > 0 ? places : [{ pool, drive }];
}

function poolsText(places: readonly CopyPlace[]): string {
  return places.map(({ pool }) => `pool ${pool}`).join(' and ');
}

function globsText(globs: readonly string[]): string {
  return globs.length === 0 ? 'nothing' : globs.join(' ');
}
