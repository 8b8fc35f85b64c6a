import { fromBytes } from '../../entry/byte-string.js';
import { encodeName } from '../names.js';

/** The address of a folder or file of a set, below the base. */
export function filesPath(setId: string, name: string | Uint8Array): string {
  const at = encodeName(typeof name === 'string' ? name : fromBytes(name));
  return `sets/${encodeURIComponent(setId)}/files${at === '' ? '' : `?at=${at}`}`;
}
