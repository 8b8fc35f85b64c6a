import type { EntryType, FileState } from './file-tables.js';

/** How types and states stand in `entries`: by their place here, which never changes. */
export const entryTypes: readonly EntryType[] = [
  ...(['file', 'directory', 'symlink', 'other', 'fifo', 'character', 'block'] as const),
];
export const fileStates: readonly FileState[] = ['packed', 'unchanged', 'planned', 'skipped'];
