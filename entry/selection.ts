import { z } from 'zod';
import { parentNames } from './member-name.js';
import { globFilter } from './globs.js';

/** Which members of a set are wanted: by name, with everything below them, and by glob. Empty: everything. */
export const selectionSchema = z.object({
  /** Member names without a trailing `/`, as byte strings. */
  names: z.array(z.string()).default([]),
  /** gitignore-style globs, anchored at the root of the file system. */
  globs: z.array(z.string()).default([]),
});

export type Selection = z.output<typeof selectionSchema>;

export function isEverything({ names, globs }: Selection): boolean {
  return names.length === 0 && globs.length === 0;
}

/** Tells whether a member is wanted. */
export function selectionFilter(selection: Selection): (name: string) => boolean {
  if (isEverything(selection)) return () => true;
  const byGlob = globFilter(selection.globs);
  const names = new Set(selection.names);
  return (name) => {
    if (names.has(name.endsWith('/') ? name.slice(0, -1) : name)) return true;
    for (const above of parentNames(name)) if (names.has(above)) return true;
    return selection.globs.length > 0 && byGlob(name);
  };
}

/** The folders above the named members: a restore brings back their modes and times too. */
export function parentFolders(selection: Selection): string[] {
  const folders = selection.names.flatMap((name) => [...parentNames(name)]);
  return [...new Set(folders)].map((folder) => `${folder}/`);
}
