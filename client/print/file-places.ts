import { tapesOfGroup } from '../../catalog/copies/copies.js';
import { holderOf } from '../../catalog/files/files.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { FileRow } from '../../catalog/rows.js';
import { displayName, fromBytes } from '../../entry/byte-string.js';
import { displayPath } from './names.js';
import { stateText } from './state-text.js';
import { t } from '../../messages/shown.js';

/** The archive that holds a file, and its tapes. */
export interface Place {
  archive: string | null;
  tape: string | null;
}

const nowhere: Place = { archive: null, tape: null };

/** Where entries of sets lie; a group is looked up once. */
export class FilePlaces {
  private readonly known = new Map<string, Place>();

  constructor(private readonly catalog: Catalog) {}

  /** The place of an entry; of one that is in no archive, nowhere. */
  async of(row: FileRow): Promise<Place> {
    if (row.state !== 'packed' && row.state !== 'unchanged') return nowhere;
    const { setId, group } = holderOf(row);
    const key = `${setId} ${group}`;
    let place = this.known.get(key);
    if (place === undefined) {
      const archive = (await archiveOf(this.catalog, setId, group))?.name ?? null;
      const tapes = (await tapesOfGroup(this.catalog, setId, group)).join(', ');
      place = { archive, tape: tapes === '' ? null : tapes };
      this.known.set(key, place);
    }
    return place;
  }
}

/** The place of an entry for people, or why it has none. */
export function placeText({ state, reason }: FileRow, { archive, tape }: Place): string {
  return archive === null ? stateText({ status: state, reason }) : `${tape ?? t`no tape yet`} ${archive}`;
}

/** What follows the name of a link or a device; empty for anything else. */
export function shownLink({ type, link_target: target }: FileRow): string {
  if (target === null) return '';
  if (type === 'character' || type === 'block') return ` (${fromBytes(target)})`;
  return type === 'symlink' ? ` -> ${displayName(fromBytes(target))}` : ` = ${displayPath(target)}`;
}
