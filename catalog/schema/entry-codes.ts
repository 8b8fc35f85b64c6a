import type { EntryType, StoredState } from './file-tables.js';

/** How types and states stand in `entries`: by their place here, which never changes. */
export const entryTypes: readonly EntryType[] = [
  ...(['file', 'directory', 'symlink', 'other', 'fifo', 'character', 'block'] as const),
];
export const fileStates: readonly StoredState[] = ['packed', 'unchanged', 'planned', 'skipped', 'gone'];
