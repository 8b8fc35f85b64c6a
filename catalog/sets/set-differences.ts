import { english } from '../../messages/sentence.js';
import { isVerifiedAtEnd } from './chosen-options.js';
import { placesOf, type CopyPlace } from './copy-places.js';
import { givenText, type ExcludeRule } from '../../entry/excludes.js';
import type { TakenOptions } from '../../entry/tally.js';
import { ignoredSigns } from './ignored-signs.js';
import type { SetRow } from '../rows.js';
import { recipientsText } from './recipients.js';
import { takenOf } from './taken-options.js';
import { formatNumber } from '../../config/counts.js';

/** The arguments of a new set. */
export interface NewSet {
  /** From `--set`; by default the next free number of the month. */
  id?: string | undefined;
  sources: string[];
  /** The host that has them; null or not given: the home of the installation. */
  host?: string | null | undefined;
  excludes: readonly ExcludeRule[];
  taken?: TakenOptions | undefined;
  /** The paths of `taken.list`; see `set_lists`. */
  list?: Uint8Array | undefined;
  pool: string;
  drive: string;
  /** Where each copy goes, if there are several; the first one has the pool and drive above. */
  places?: CopyPlace[] | undefined;
  mode: string;
  direct: boolean;
  /** The recipients of age that it is encrypted to; undefined: it is not. */
  recipients?: readonly string[] | undefined;
  /** A source may hold much less than it did in earlier sets. */
  allowShrunk?: boolean | undefined;
  /** Name of the hook of the host that has the sources. */
  hook?: string | undefined;
  /** The settings that it runs with; of these, only its `ChosenOptions` make it another set. */
  options: unknown;
  /** The schedule run that asks for it; it gets one set, however often it asks. */
  madeBy?: string | undefined;
}

/** How a set differs from what is wanted, as parts of a sentence about the set; empty: it is the same. */
export function differencesFrom(set: SetRow, wanted: NewSet): string[] {
  const found: string[] = [];
  // Older sets did not record the requested mode.
  const mode = set.asked_mode ?? set.mode;
  if (mode !== wanted.mode) found.push(english`it is ${mode}, not ${wanted.mode}`);
  const [has, wants] = [placesOf(set), placesWanted(wanted)];
  const drives = (places: readonly CopyPlace[]) => places.map(({ drive }) => drive).join(' and ');
  if (poolsText(has) !== poolsText(wants))
    found.push(english`it goes to ${poolsText(has)}, not to ${poolsText(wants)}`);
  else if (drives(has) !== drives(wants))
    found.push(english`it is written in drive ${drives(has)}, not in ${drives(wants)}`);
  found.push(...excludeDifferences(JSON.parse(set.excludes) as ExcludeRule[], wanted.excludes));
  found.push(...takenDifferences(takenOf(set), wanted.taken ?? {}));
  if ((set.direct === 1) !== wanted.direct)
    found.push(
      set.direct === 1
        ? english`it is compressed directly to tape`
        : english`it is staged before it is written`,
    );
  if (set.recipients !== recipientsText(wanted.recipients))
    found.push(
      set.recipients === null
        ? english`it is not encrypted`
        : wanted.recipients === undefined
          ? english`it is encrypted`
          : english`it is encrypted to other recipients`,
    );
  if (set.hook !== (wanted.hook ?? null))
    found.push(set.hook === null ? english`it runs no hook` : english`it runs the hook ${set.hook}`);
  const [ignores, ignored] = [ignoredSigns(JSON.parse(set.options)), ignoredSigns(wanted.options)];
  if (ignores.ignoreCtime !== ignored.ignoreCtime)
    found.push(
      ignores.ignoreCtime
        ? english`it was begun with --ignore-ctime`
        : english`it was begun without --ignore-ctime`,
    );
  if (ignores.ignoreInode !== ignored.ignoreInode)
    found.push(
      ignores.ignoreInode
        ? english`it was begun with --ignore-inode`
        : english`it was begun without --ignore-inode`,
    );
  if (isVerifiedAtEnd(wanted.options) && !isVerifiedAtEnd(JSON.parse(set.options)))
    found.push(english`it was begun without --verify`);
  return found;
}

/** Where each copy of a requested set goes. */
export function placesWanted({ places, pool, drive }: NewSet): CopyPlace[] {
  return places !== undefined && places.length > 0 ? places : [{ pool, drive }];
}

function poolsText(places: readonly CopyPlace[]): string {
  return places.map(({ pool }) => english`pool ${pool}`).join(' and ');
}

function excludeDifferences(has: readonly ExcludeRule[], wants: readonly ExcludeRule[]): string[] {
  const [before = [], now = []] = [has, wants].map((rules) => rules.map(givenText));
  if (before.length !== now.length || before.some((text, at) => text !== now[at]))
    return ruleDifferences(before, now);
  const other = has.find((rule, at) => {
    const wanted = wants[at];
    // Sets of version 0.1 have the text alone.
    if (typeof rule === 'string' || typeof wanted === 'string') return false;
    return wanted?.means.join('\n') !== rule.means.join('\n');
  });
  if (other === undefined || typeof other === 'string') return [];
  return [english`its exclude ${other.given} is another one and means ${other.means.join(' or ')}`];
}

/** Up to so many excludes are all named; of more, those that differ. */
const allNamed = 20;
/** Of what differs so many are named, and so many characters of each. */
const someNamed = 5;
const mostCharacters = 200;

function ruleDifferences(before: readonly string[], now: readonly string[]): string[] {
  const named = (texts: readonly string[]) =>
    texts
      .map((text) => (text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text))
      .join(' ') || english`nothing`;
  if (before.length + now.length <= allNamed)
    return [english`it leaves out ${named(before)}, not ${named(now)}`];
  const some = (texts: readonly string[]) =>
    texts.length > someNamed
      ? english`${named(texts.slice(0, someNamed))} and ${formatNumber(texts.length - someNamed)} more`
      : named(texts);
  const [known, wanted] = [new Set(before), new Set(now)];
  const also = before.filter((text) => !wanted.has(text));
  const not = now.filter((text) => !known.has(text));
  if (also.length + not.length === 0) return [english`its excludes are in another order`];
  return [
    ...(also.length === 0 ? [] : [english`it leaves out ${some(also)} too`]),
    ...(not.length === 0 ? [] : [english`it does not leave out ${some(not)}`]),
  ];
}

function takenDifferences(has: TakenOptions, wants: TakenOptions): string[] {
  const found: string[] = [];
  const differs = (what: (options: TakenOptions) => unknown) =>
    JSON.stringify(what(has)) !== JSON.stringify(what(wants));
  if (differs((options) => options.oneFileSystem))
    found.push(
      has.oneFileSystem === true
        ? english`it stays on the file systems of its sources`
        : english`it takes what is mounted in its sources too`,
    );
  if (differs((options) => options.excludeCaches))
    found.push(has.excludeCaches === true ? english`it leaves caches out` : english`it takes caches too`);
  if (differs((options) => options.excludeIfPresent)) {
    const names = ({ excludeIfPresent: present = [] }: TakenOptions) =>
      present.join(' or ') || english`something`;
    found.push(english`it leaves out folders that hold ${names(has)}, not ${names(wants)}`);
  }
  if (differs((options) => options.list?.file))
    found.push(
      has.list === undefined
        ? english`it takes no list of paths`
        : english`it takes the list ${has.list.file}`,
    );
  else if (isOtherList(has, wants)) found.push(english`the list ${has.list?.file ?? ''} had other paths`);
  return found;
}

function isOtherList({ list: has }: TakenOptions, { list: wants }: TakenOptions): boolean {
  return wants?.sha256 !== undefined && has?.sha256 !== wants.sha256;
}
