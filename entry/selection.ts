import { isInOrBelow, parentNames, strippedName } from './member-name.js';
import { globFilter } from './globs.js';

/**
 * Which members of a set are wanted: by name, with everything below them, and by glob; and which of their names are
 * left off. Nothing given: everything, under its whole name.
 */
export interface Selection {
  /** Member names without a trailing `/`, as byte strings. */
  names: string[];
  /** gitignore-style globs, anchored at the root of the file system. */
  globs: string[];
  /** A list of more names than `names` should hold, by its key in the catalog (`catalog/files/listed-names.ts`). */
  list?: string | undefined;
  /** How many leading parts of each name are left off in the target; names that have no more are not wanted. */
  strip?: number | undefined;
}

export function isEverything({ names, globs, list, strip = 0 }: Selection): boolean {
  return names.length === 0 && globs.length === 0 && list === undefined && strip === 0;
}

/** Tells whether a member is wanted, apart from what a list in the catalog says. */
export function selectionFilter(selection: Selection): (name: string) => boolean {
  const { globs, strip = 0 } = selection;
  const isLeft = (name: string) => strip === 0 || strippedName(name, strip) !== undefined;
  if (isEverything({ ...selection, strip: 0 })) return isLeft;
  const byGlob = globFilter(globs);
  const names = new Set(selection.names);
  return (name) => {
    if (!isLeft(name)) return false;
    if (isInOrBelow(names, name)) return true;
    return globs.length > 0 && byGlob(name);
  };
}

/** The folders above the named members: a restore brings back their modes and times too. */
export function parentFolders(selection: Selection): string[] {
  const folders = selection.names.flatMap((name) => [...parentNames(name)]);
  return [...new Set(folders)].map((folder) => `${folder}/`);
}
