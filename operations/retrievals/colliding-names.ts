import { createHash } from 'node:crypto';
import { setImmediate as yieldNow } from 'node:timers/promises';
import { foldedName, NameProbe, type NameTraits } from '../../archive/unpack/name-traits.js';
import type { RestoreJob } from '../../archive/unpack/stale-parts.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { selectedFiles } from '../../catalog/files/selected-files.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatNumber } from '../../config/counts.js';
import { displayName, fromBytes } from '../../entry/byte-string.js';
import { parentNames, plainName, strippedName } from '../../entry/member-name.js';
import type { Selection } from '../../entry/selection.js';
import { english } from '../../messages/sentence.js';

/** A member that is not restored, since another one takes its place in the target. Both are member names. */
export type Refused = [name: string, other: string];

/** Names whose hashes are compared at once, so that memory does not grow with a set: 32 MiB. */
const namesAtOnce = 4 * 1024 * 1024;
/** More collisions than this mean that the whole restore is asked for in a wrong way. */
const mostCollisions = 1000;

/** A name as it is wanted in the target. */
interface Placed {
  name: string;
  /** Without what is left off; both without a `/` at the end. */
  place: string;
  isFolder: boolean;
}

/**
 * The wanted members whose names the target takes for those of other ones, or that become the same without the parts
 * that are left off: the first in the order of names is restored, and the others are not. Reads the set once and a
 * little more where nothing collides; where names cannot collide, not at all.
 *
 * @param wanted.members about how many are wanted.
 * @param wanted.job the restore that asks, when it has begun.
 */
export async function collidingNames(
  catalog: Catalog,
  wanted: { setId: string; target: string; selection: Selection; members: number; job?: RestoreJob },
): Promise<Refused[]> {
  const { setId, target, selection, members, job } = wanted;
  const probe = openProbe(target, job);
  try {
    const traits = probe?.traits() ?? { case: false, form: false };
    const strip = selection.strip ?? 0;
    if (strip === 0 && !traits.case && !traits.form) return [];
    const names = () => placesOf(catalog, setId, selection);
    const refused: Refused[] = [];
    const parts = Math.max(1, Math.ceil(members / namesAtOnce));
    for (let part = 0; part < parts; part += 1) {
      const suspects = await hashesTwice(names(), traits, { part, parts });
      if (suspects.size === 0) continue;
      for (const pair of await collisionsAmong(names(), traits, suspects, probe)) refused.push(pair);
      if (refused.length > mostCollisions) throw tooMany(target, refused);
    }
    return refused.sort(([a], [b]) => (a < b ? -1 : 1));
  } finally {
    probe?.close();
  }
}

/** Undefined where the target takes no folder now: then what it does with names is not known. */
function openProbe(target: string, job: RestoreJob | undefined): NameProbe | undefined {
  try {
    return new NameProbe(target, job);
  } catch {
    return undefined;
  }
}

/** The names of what is wanted, with the folders above that have no row of their own, in pages. */
async function* placesOf(catalog: Catalog, setId: string, selection: Selection): AsyncGenerator<Placed[]> {
  const strip = selection.strip ?? 0;
  let before = '';
  for await (const page of selectedFiles(catalog, setId, selection)) {
    const places: Placed[] = [];
    const add = (name: string, isFolder: boolean) => {
      const place = strippedName(name, strip);
      if (place !== undefined) places.push({ name, place, isFolder });
    };
    for (const row of page) {
      const path = fromBytes(row.path);
      for (const above of parentNames(path)) {
        if (before === `${above}/` || before.startsWith(`${above}/`)) break;
        add(above, true);
      }
      before = path;
      const isFolder = path.endsWith('/');
      if (row.tar_offset !== null) add(plainName(path), isFolder);
    }
    yield places;
    await yieldNow();
  }
}

/** A number of 48 bits for a place; all names that may be one in the target have the same. */
function hashOf(place: string, traits: NameTraits): number {
  return createHash('md5').update(foldedName(place, traits)).digest().readUIntBE(0, 6);
}

/** The hashes that occur more than once among those of one part of the names. */
async function hashesTwice(
  pages: AsyncIterable<Placed[]>,
  traits: NameTraits,
  { part, parts }: { part: number; parts: number },
): Promise<Set<number>> {
  let hashes = new Float64Array(1024);
  let count = 0;
  for await (const page of pages)
    for (const { place } of page) {
      const hash = hashOf(place, traits);
      if (hash % parts !== part) continue;
      if (count === hashes.length) {
        const longer = new Float64Array(count * 2);
        longer.set(hashes);
        hashes = longer;
      }
      hashes[count++] = hash;
    }
  const sorted = hashes.subarray(0, count).sort();
  const twice = new Set<number>();
  for (let at = 1; at < count; at += 1) if (sorted[at] === sorted[at - 1]) twice.add(sorted[at] ?? 0);
  return twice;
}

async function collisionsAmong(
  pages: AsyncIterable<Placed[]>,
  traits: NameTraits,
  suspects: ReadonlySet<number>,
  probe: NameProbe | undefined,
): Promise<Refused[]> {
  const known = new Map<number, Placed[]>();
  const refused: Refused[] = [];
  for await (const page of pages)
    for (const placed of page) {
      const hash = hashOf(placed.place, traits);
      if (!suspects.has(hash)) continue;
      const earlier = known.get(hash) ?? [];
      known.set(hash, earlier);
      const other = earlier.find((one) => collide(one, placed, probe));
      const isJoined = earlier.some(({ place }) => place === placed.place);
      if (other === undefined && !isJoined) earlier.push(placed);
      else if (other !== undefined && refused.length <= mostCollisions)
        refused.push([placed.name, other.name]);
    }
  return refused;
}

/** True when one of two members would take the other's place. What is below a folder that collides is not looked at. */
function collide(one: Placed, other: Placed, probe: NameProbe | undefined): boolean {
  if (one.name === other.name) return false;
  // Folders that become one by what is left off are joined, as by `tar`.
  if (one.place === other.place) return !(one.isFolder && other.isFolder);
  const cut = (place: string) => place.lastIndexOf('/') + 1;
  const [end, otherEnd] = [cut(one.place), cut(other.place)];
  if (one.place.slice(0, end) !== other.place.slice(0, otherEnd)) return false;
  return probe?.areOne(one.place.slice(end), other.place.slice(otherEnd)) ?? false;
}

/** Tells why a member is refused; undefined when it is not. */
export function refusalOf(refused: readonly Refused[]): (name: string) => string | undefined {
  if (refused.length === 0) return () => undefined;
  const others = new Map(refused);
  return (name) => {
    const other = others.get(plainName(name));
    if (other !== undefined) return english`in the target it has the same place as /${displayName(other)}`;
    for (const above of parentNames(name)) {
      const taken = others.get(above);
      if (taken !== undefined)
        return english`in the target its folder has the same place as /${displayName(taken)}`;
    }
    return undefined;
  };
}

function tooMany(target: string, [first]: readonly Refused[]): TapeflowFailure {
  const [name, other] = (first ?? ['', '']).map((one) => `/${displayName(one)}`);
  return new TapeflowFailure(
    'NamesCollide',
    english`More than ${formatNumber(mostCollisions)} names have the same place in ${target} as others,
      such as ${name ?? ''} and ${other ?? ''}.`,
    {
      advice: english`Nothing was restored; leave off fewer parts,
        or restore to a file system that tells such names apart.`,
    },
  );
}
