import type { SetRow } from '../../catalog/rows.js';
import { archiveName, manifestName } from '../../entry/archive-name.js';
import { setOptions } from '../sets/set-options.js';

/** Names of the files of a group. */
export interface GroupFiles {
  archive: string;
  manifest: string;
}

/** Names of a group's archive and of its manifest, as a set makes them. */
export function filesOf(set: SetRow, group: number): GroupFiles {
  const isEncrypted = set.recipients !== null;
  return {
    archive: archiveName(set.id, group, setOptions(set).compression, isEncrypted),
    manifest: manifestName(set.id, group, isEncrypted),
  };
}
