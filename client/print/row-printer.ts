import { formatTime } from '../../config/local-time.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { FileRow } from '../../catalog/rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { shownHost } from '../../catalog/sets/set-host.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { onHost } from '../../entry/host-path.js';
import { jsonHash } from './file-hash.js';
import { FilePlaces, placeText, shownLink } from './file-places.js';
import { jsonName, jsonPath, displayPath } from './names.js';
import { columnsOf, padded } from './padded.js';
import type { Session } from '../session.js';
import { t } from '../../messages/shown.js';

/** Prints catalog rows of files under a header: type, size, modification time, place, name. */
export class RowPrinter {
  private readonly places: FilePlaces;

  private readonly hosts = new Map<string, string | null>();

  private headed = false;

  /** @param withSet whether each line names its set, since rows of several sets are printed. */
  constructor(
    private readonly session: Session,
    private readonly catalog: Catalog,
    private readonly withSet = false,
  ) {
    this.places = new FilePlaces(catalog);
  }

  async row(row: FileRow): Promise<void> {
    const host = await this.hostOf(row.set_id);
    const place = await this.places.of(row);
    const { archive, tape } = place;
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
    const where = placeText(row, place);
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
    else this.line(setId, 'd', '', '', t`above a source`, displayPath(path));
  }

  private line(set: string, kind: string, size: string, time: string, where: string, path: string): void {
    const columns = (first: string, rest: string[]) =>
      this.session.print([...(this.withSet ? [first] : []), ...rest].join('  '));
    const cells = (a: string, b: string, c: string) => [a, b.padStart(12), c.padEnd(19)];
    if (!this.headed)
      columns(padded(t`SET`, set.length), [
        ' ',
        padded(t`SIZE`, -12),
        padded(t`CHANGED`, 19),
        padded(t`WHERE`, columnsOf(where)),
        t`PATH`,
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
}

/** The target of a symbolic link, the member that a hard link points to, or the numbers of a device. */
function linkOf({ type, link_target: target }: FileRow): Record<string, string> {
  if (target === null) return {};
  if (type === 'character' || type === 'block') return { device: fromBytes(target) };
  return type === 'symlink'
    ? jsonName('target', fromBytes(target))
    : jsonName('hardLink', `/${fromBytes(target)}`);
}
