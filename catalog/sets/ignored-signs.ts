/** Signs of a change that the comparison with a base leaves out, by choice: `--ignore-ctime`, `--ignore-inode`. */
export interface IgnoredSigns {
  ignoreCtime?: boolean | undefined;
  ignoreInode?: boolean | undefined;
}

/** Those of a set, from the settings that it runs with. */
export function ignoredSigns(options: unknown): Required<IgnoredSigns> {
  const { ignoreCtime, ignoreInode } = (options ?? {}) as Partial<Record<keyof IgnoredSigns, unknown>>;
  return { ignoreCtime: ignoreCtime === true, ignoreInode: ignoreInode === true };
}
