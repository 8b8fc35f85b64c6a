import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';
import { stateWord } from '../../catalog/schema/state-words.js';
import { openForReading } from '../../catalog/open-for-reading.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { withDrivesOfHosts } from '../../catalog/hosts/known-drives.js';
import { listHosts } from '../../catalog/hosts/hosts.js';
import { listSchedules } from '../../catalog/server/schedules.js';
import { listSets } from '../../catalog/sets/sets.js';
import { listTapes } from '../../catalog/tapes/tapes.js';
import type { SetRow } from '../../catalog/rows.js';
import type { Settings } from '../../config/settings/settings.js';
import { settingsInForce } from '../../config/settings/settings-in-force.js';
import { onHost } from '../../entry/host-path.js';

/** A name that fits, and a few words about it. */
export interface Value {
  word: string;
  description: string;
}

interface Known {
  settings: Settings;
  catalog: Catalog;
}

type List = (known: Known) => Promise<Value[]>;

/** Where the names of each kind come from; the kinds are the words of the help. */
const lists: Record<string, List> = {
  set: async ({ catalog }) => (await listSets(catalog)).map((set) => setValue(set)),
  tape: async ({ catalog }) =>
    (await listTapes(catalog)).map(({ name, pool, state }) => ({
      word: name,
      description: t`pool ${pool}, ${state}`,
    })),
  pool: pools,
  drive: async ({ settings, catalog }) =>
    (await withDrivesOfHosts(settings, () => Promise.resolve(catalog))).drives.map(({ name, path }) => ({
      word: name,
      description: path,
    })),
  schedule: async ({ catalog }) =>
    (await listSchedules(catalog)).map(({ name, cron }) => ({ word: name, description: cron })),
  host: async ({ catalog }) =>
    (await listHosts(catalog)).map(({ name, machine }) => ({ word: name, description: machine })),
  channel: ({ settings }) =>
    Promise.resolve(settings.channels.map(({ name, kind }) => ({ word: name, description: kind }))),
  hook: ({ settings }) =>
    Promise.resolve(Object.keys(settings.hooks).map((word) => ({ word, description: '' }))),
  source: sources,
};

/** Kinds that are several at once. */
const several: Record<string, string[]> = {
  'set-a': ['set'],
  'set-b': ['set'],
  'set-or-tape': ['set', 'tape'],
  role: ['drive'],
  'set|archive|file': ['set'],
};

/** Values of the settings' own kinds, which no catalog knows. */
const fixed: Record<string, string[]> = {
  mode: ['full', 'incremental', 'differential'],
  when: ['never', 'if-newer', 'always'],
  shell: ['bash', 'zsh', 'fish'],
};

/** Kinds for which the shell itself completes names of files or folders. */
const places: Record<string, 'files' | 'folders'> = {
  path: 'files',
  file: 'files',
  'set|archive|file': 'files',
  from: 'files',
  to: 'files',
  folder: 'folders',
};

/** Every kind that has values or places; of others, such as a glob, nothing is known. */
export const kinds: ReadonlySet<string> = new Set(
  [lists, several, fixed, places].flatMap((table) => Object.keys(table)),
);

/** Who completes a value of that kind, besides the names that are known: the shell, by its files or folders. */
export function placesFor(kind: string): 'files' | 'folders' | undefined {
  return places[kind];
}

/** The known names of a kind. Throws what opening the catalog throws. */
export async function valuesOf(kind: string): Promise<Value[]> {
  const words = fixed[kind];
  if (words !== undefined) return words.map((word) => ({ word, description: '' }));
  const asked = (several[kind] ?? [kind]).map((name) => lists[name]).filter((list) => list !== undefined);
  if (asked.length === 0) return [];
  const settings = settingsInForce();
  // Never migrated here: a key pressed in a shell changes nothing.
  const catalog = await openForReading(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR, refuse);
  try {
    const found: Value[] = [];
    for (const list of asked) found.push(...(await list({ settings, catalog })));
    return found;
  } finally {
    await catalog.destroy();
  }
}

function refuse(): Promise<Catalog> {
  return Promise.reject(new Error(english`the catalog is of an older version`));
}

function setValue({ id, state, host, sources: paths }: SetRow): Value {
  const places = (JSON.parse(paths) as string[]).map((path) => onHost(host, path));
  return { word: id, description: `${shown(stateWord(state))}${t`: `}${places.join(', ')}` };
}

/** Pools of tapes, of sets and of the settings. */
async function pools({ settings, catalog }: Known): Promise<Value[]> {
  const names = [
    ...(await listTapes(catalog)).map(({ pool }) => pool),
    ...(await listSets(catalog)).map(({ pool }) => pool),
    ...Object.keys(settings.retentions.pools),
    settings.TAPE_POOL,
  ];
  return [...new Set(names)].sort().map((word) => ({ word, description: '' }));
}

/** Sources of the sets, the newest first. */
async function sources({ catalog }: Known): Promise<Value[]> {
  const found = (await listSets(catalog)).flatMap(({ host, sources: paths }) =>
    (JSON.parse(paths) as string[]).map((path) => onHost(host, path)),
  );
  return [...new Set(found)].map((word) => ({ word, description: '' }));
}
