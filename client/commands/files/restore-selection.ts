import { namesInSet } from '../../../catalog/files/names-in-set.js';
import { keepNameList } from '../../../catalog/files/listed-names.js';
import { filesNamed } from '../../../catalog/files/search.js';
import { selectedFiles } from '../../../catalog/files/selected-files.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import type { RetrievalProblem } from '../../../catalog/retrievals/retrieval-problems.js';
import { usageFailure } from '../../../config/failures.js';
import { fromBytes, fromText, toBytes } from '../../../entry/byte-string.js';
import { globFilter, literalGlob } from '../../../entry/globs.js';
import type { Selection } from '../../../entry/selection.js';
import { memberNamesOf, requireGlob } from '../../print/names.js';
import { namesInFile, type NameFile } from './name-lines.js';
import { english } from '../../../messages/sentence.js';

/** Options that say what is wanted. */
export interface SelectionFlags {
  include: string[];
  /** Exact member names, of whoever has them from the catalog. */
  names?: string[];
  path?: string;
  filesFrom?: string;
  filesFrom0?: string;
  stripComponents?: string;
}

/** What is wanted of a set, and what was asked for that the set does not have. */
export interface Asked {
  selection: Selection;
  missing: RetrievalProblem[];
}

/** Number of listed names up to which they are kept with the restore itself, and found by their place. */
const mostNames = 1000;

/**
 * What the options mean in a set. A path that the set has is taken as it is, whatever characters are in it; another one
 * with wildcards is a glob.
 */
export async function askedSelection(catalog: Catalog, setId: string, flags: SelectionFlags): Promise<Asked> {
  const asked: Asked = { selection: { names: [], globs: [] }, missing: [] };
  if (flags.path !== undefined) await addPath(catalog, setId, asked, memberNamesOf(flags.path));
  for (const given of flags.include) await addInclude(catalog, setId, asked, given);
  for (const name of flags.names ?? []) await addPath(catalog, setId, asked, [name]);
  const { selection } = asked;
  await nameUnmatchedGlobs(catalog, setId, asked);
  await addFiles(catalog, setId, asked, filesOf(flags));
  selection.names = [...new Set(selection.names)].sort();
  const strip = stripOf(flags.stripComponents);
  if (strip > 0) selection.strip = strip;
  return asked;
}

async function addInclude(catalog: Catalog, setId: string, asked: Asked, given: string): Promise<void> {
  const { selection } = asked;
  const isPath = /^[./~]|^[A-Za-z]:/.test(given);
  const hasWildcards = /[*?[\\]/.test(given);
  if (isPath && !hasWildcards) return addPath(catalog, setId, asked, memberNamesOf(given));
  const names = isPath ? memberNamesOf(given) : given.includes('/') ? [fromText(given)] : [];
  const known = await namesInSet(catalog, setId, names);
  if (known.size > 0) return addPath(catalog, setId, asked, names);
  if (!isPath && !given.includes('/') && (await hasEntryNamed(catalog, setId, given))) {
    selection.globs.push(literalGlob(given));
    return;
  }
  requireGlob(given, '--include');
  selection.globs.push(given);
}

/** @param names what the path may mean. */
async function addPath(
  catalog: Catalog,
  setId: string,
  { selection, missing }: Asked,
  names: readonly string[],
): Promise<void> {
  const known = await namesInSet(catalog, setId, names);
  const found = names.filter((name) => known.has(name));
  // What is not there stays wanted: no name at all would mean everything.
  selection.names.push(...(found.length === 0 ? names : found));
  const [name = ''] = found.length === 0 ? names : found;
  const problem = missingProblem(name, known);
  if (problem !== undefined) missing.push(problem);
}

/** Why a name that was asked for does not come back; undefined when it does. */
function missingProblem(
  name: string,
  known: ReadonlyMap<string, string | null>,
): RetrievalProblem | undefined {
  const why = known.get(name);
  if (why === null) return undefined;
  const reason =
    why === undefined
      ? english`The set holds nothing of this name.`
      : english`The backup left it out: ${why}`;
  return { path: toBytes(name), reason };
}

/** True when a set has an entry of exactly that base name, wherever it is. */
async function hasEntryNamed(catalog: Catalog, setId: string, name: string): Promise<boolean> {
  if (!/[*?[\\!#\s]/.test(name)) return false;
  for await (const rows of filesNamed(catalog, setId, { exactly: fromText(name) }))
    if (rows.length > 0) return true;
  return false;
}

/** Names each glob that matches nothing. */
async function nameUnmatchedGlobs(
  catalog: Catalog,
  setId: string,
  { selection, missing }: Asked,
): Promise<void> {
  const { globs } = selection;
  const unmatched = new Map(globs.map((glob) => [glob, globFilter([glob])]));
  if (unmatched.size === 0) return;
  for await (const page of selectedFiles(catalog, setId, { names: [], globs })) {
    for (const [glob, matches] of unmatched)
      if (page.some((row) => matches(fromBytes(row.path)))) unmatched.delete(glob);
    if (unmatched.size === 0) return;
  }
  for (const glob of unmatched.keys())
    missing.push({
      path: null,
      reason: english`The set holds nothing that matches ${JSON.stringify(glob)}.`,
    });
}

function filesOf({ filesFrom, filesFrom0 }: SelectionFlags): NameFile[] {
  return [
    ...(filesFrom === undefined ? [] : [{ file: filesFrom, ending: '\n' } as const]),
    ...(filesFrom0 === undefined ? [] : [{ file: filesFrom0, ending: '\0' } as const]),
  ];
}

/** Adds the names in files; many of them become a list in the catalog. */
async function addFiles(
  catalog: Catalog,
  setId: string,
  { selection, missing }: Asked,
  files: readonly NameFile[],
): Promise<void> {
  if (files.length === 0) return;
  const pages = namesOfFiles(catalog, setId, files, missing);
  const first: string[] = [];
  for (let next = await pages.next(); next.done !== true; next = await pages.next()) {
    first.push(...next.value);
    if (first.length <= mostNames) continue;
    selection.list = await keepNameList(catalog, withFirst(first, pages));
    return;
  }
  if (first.length === 0 && selection.names.length === 0 && selection.globs.length === 0)
    throw usageFailure(
      'EmptyFilesFrom',
      english`The list ${files[0]?.file ?? ''} names nothing.`,
      english`Nothing was restored.`,
    );
  selection.names.push(...first);
}

async function* withFirst(first: string[], rest: AsyncIterable<string[]>): AsyncGenerator<string[]> {
  yield first;
  yield* rest;
}

/** The names in files, in pages; those that the set does not have are reported too. */
async function* namesOfFiles(
  catalog: Catalog,
  setId: string,
  files: readonly NameFile[],
  missing: RetrievalProblem[],
): AsyncGenerator<string[], undefined> {
  for (const file of files)
    for await (const lines of namesInFile(file)) {
      const known = await namesInSet(catalog, setId, lines.flat());
      const names = lines.map((meant) => meant.find((name) => known.has(name)) ?? meant[0] ?? '');
      for (const name of names) {
        const problem = missingProblem(name, known);
        if (problem !== undefined) missing.push(problem);
      }
      yield names;
    }
  return undefined;
}

function stripOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usageFailure(
    'WrongStrip',
    english`--strip-components cannot be ${JSON.stringify(text)}.`,
    english`It is how many leading parts of each path are left off, such as 2.`,
  );
}
