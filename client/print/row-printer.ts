import { formatTime } from '../../config/local-time.js';
import { fromBytes, displayName } from '../../entry/byte-string.js';
import { holderOf } from '../../catalog/files/files.js';
import type { FileRow } from '../../catalog/rows.js';
import { archiveOf } from '../../catalog/groups/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { shownHost } from '../../catalog/sets/set-host.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { onHost } from '../../entry/host-path.js';
import { tapesOfGroup } from '../../catalog/copies/copies.js';
import { jsonHash } from './file-hash.js';
import { jsonName, jsonPath, displayPath } from './names.js';
import type { Session } from '../session.js';

/** The archive that holds a file, and its tapes. */
interface Place {
  archive: string | null;
  tape: string | null;
}
const nowhere: Place = { archive: null, tape: null };

/** Prints catalog rows of files under a header: type, size, modification time, place, name. */
export class RowPrinter {
  private readonly places = new Map<string, Place>();

  private readonly hosts = new Map<string, string | null>();

  private headed = false;

  /** @param withSet whether each line names its set, since rows of several sets are printed. */
  constructor(
    private readonly session: Session,
    private readonly catalog: Catalog,
    private readonly withSet = false,
  ) {}

  async row(row: FileRow): Promise<void> {
    const { setId, group } = holderOf(row);
    const isStored = row.state === 'packed' || row.state === 'unchanged';
    const host = await this.hostOf(row.set_id);
    const { archive, tape } = isStored ? await this.placeOf(setId, group) : nowhere;
    if (this.session.json) {
      const { size, state, reason, type, tar_offset: offset } = row;
      const mtime = new Date(row.mtime_s * 1000).toISOString();
      this.session.emit({
        setId: row.set_id,
        ...(host === null ? {} : { host }),
        ...jsonPath(row.path),
        type,
        size,
        mtime,
        ...jsonHash(row),
        state,
        reason,
        archive,
        offset,
        tape,
        ...linkOf(row),
      });
      return;
    }
    const where =
      archive === null
        ? `${row.state}${row.reason === null ? '' : `: ${row.reason}`}`
        : `${tape ?? 'no tape yet'} ${archive}`;
    const target = shownLink(row);
    const kind = {
      file: '-',
      directory: 'd',
      symlink: 'l',
      fifo: 'p',
      character: 'c',
      block: 'b',
      other: '?',
    }[row.type];
    const time = formatTime(row.mtime_s * 1000);
    this.line(
      row.set_id,
      kind,
      String(row.size),
      time,
      where,
      `${onHost(host, displayPath(row.path))}${target}`,
    );
  }

  /** Prints a folder above a source, which is in no archive itself. */
  above(setId: string, path: Uint8Array): void {
    if (this.session.json) this.session.emit({ setId, ...jsonPath(path), type: 'directory', state: 'above' });
    else this.line(setId, 'd', '', '', 'above a source', displayPath(path));
  }

  private line(set: string, kind: string, size: string, time: string, where: string, path: string): void {
    const columns = (first: string, rest: string[]) =>
      this.session.print([...(this.withSet ? [first] : []), ...rest].join('  '));
    const cells = (a: string, b: string, c: string) => [a, b.padStart(12), c.padEnd(19)];
    if (!this.headed)
      columns('SET'.padEnd(set.length), [
        ...cells(' ', 'SIZE', 'CHANGED'),
        'WHERE'.padEnd(where.length),
        'PATH',
      ]);
    this.headed = true;
    columns(set, [...cells(kind, size, time), where, path]);
  }

  /** The host of a set's sources, where there are several. */
  private async hostOf(setId: string): Promise<string | null> {
    let host = this.hosts.get(setId);
    if (host === undefined) {
      host = await shownHost(this.catalog, await setNamed(this.catalog, setId));
      this.hosts.set(setId, host);
    }
    return host;
  }

  private async placeOf(setId: string, group: number): Promise<Place> {
    const key = `${setId} ${group}`;
    let place = this.places.get(key);
    if (place === undefined) {
      const archive = (await archiveOf(this.catalog, setId, group))?.name ?? null;
      const tapes = (await tapesOfGroup(this.catalog, setId, group)).join(', ');
      place = { archive, tape: tapes === '' ? null : tapes };
      this.places.set(key, place);
    }
    return place;
  }
}

/** The target of a symbolic link, the member that a hard link points to, or the numbers of a device. */
function linkOf({ type, link_target: target }: FileRow): Record<string, string> {
  if (target === null) return {};
  if (type === 'character' || type === 'block') return { device: fromBytes(target) };
  return type === 'symlink'
    ? jsonName('target', fromBytes(target))
    : jsonName('hardLink', `/${fromBytes(target)}`);
}

function shownLink({ type, link_target: target }: FileRow): string {
  if (target === null) return '';
  if (type === 'character' || type === 'block') return ` (${fromBytes(target)})`;
  return type === 'symlink' ? ` -> ${displayName(fromBytes(target))}` : ` = ${displayPath(target)}`;
}
