import type { Command } from 'commander';
import { fromBytes, toText } from '../../archive/byte-string.js';
import { fileRows, holderOf, skippedFiles, type FileRow } from '../../catalog/files.js';
import { archiveOf } from '../../catalog/groups.js';
import { filesBelow } from '../../catalog/search.js';
import { tapesOfGroup } from '../../catalog/tapes.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { setWithFiles } from '../../catalog/sets.js';
import { TapeflowFailure } from '../../config/failures.js';
import { jsonName, jsonPath, memberNamesOf, shownPath } from '../names.js';
import { inSession, type Session } from '../session.js';
import { formatTime } from '../table.js';

/** `ls SET [PATH]`: what a set holds, and where. */
export function addLs(program: Command): void {
  program
    .command('ls')
    .description('list what a set holds, or what of a path')
    .argument('<set>', 'the set')
    .argument('[path]', 'a file or folder of the sources')
    .option('--skipped', 'only what is not, or not truly, in the backup, with the reason')
    .action((setId: string, path: string | undefined, { skipped }: { skipped?: boolean }, command: Command) =>
      inSession(command, (session) => ls(session, setId, path, skipped === true)),
    );
}

async function ls(
  session: Session,
  setId: string,
  path: string | undefined,
  onlySkipped: boolean,
): Promise<void> {
  const catalog = await session.catalog();
  await setWithFiles(catalog, setId);
  if (onlySkipped) {
    for (const row of await skippedFiles(catalog, setId, Number.MAX_SAFE_INTEGER)) {
      const { state, reason } = row;
      if (session.json) session.emit({ ...jsonPath(row.path), state, reason });
      else session.print(`${shownPath(row.path)}: ${reason ?? ''}`);
    }
    return;
  }
  const print = new RowPrinter(session, catalog);
  let found = 0;
  for await (const page of pagesOf(catalog, setId, path)) {
    for (const row of page) await print.row(row);
    found += page.length;
  }
  if (found === 0 && path !== undefined) {
    throw new TapeflowFailure('NoSuchPath', `The set ${setId} holds nothing at ${path}.`, {
      advice: `\`tapeflow ls ${setId}\` lists all that it holds.`,
    });
  }
}

async function* pagesOf(
  catalog: Catalog,
  setId: string,
  path: string | undefined,
): AsyncGenerator<FileRow[]> {
  if (path === undefined) {
    yield* filesBelow(catalog, setId, '');
    return;
  }
  for (const name of memberNamesOf(path)) {
    const itself = await fileRows(catalog, setId, name);
    if (itself.length > 0) yield itself;
    yield* filesBelow(catalog, setId, `${name}/`);
  }
}

/** The archive that holds a file, and the tapes that it is on. */
interface Place {
  archive: string | null;
  tape: string | null;
}
const nowhere: Place = { archive: null, tape: null };

/** Prints catalog rows of files: type, size, time, where it is, name. */
export class RowPrinter {
  private readonly places = new Map<string, Place>();

  constructor(
    private readonly session: Session,
    private readonly catalog: Catalog,
  ) {}

  async row(row: FileRow): Promise<void> {
    const { setId, group } = holderOf(row);
    const isStored = row.state === 'packed' || row.state === 'unchanged';
    const { archive, tape } = isStored ? await this.placeOf(setId, group) : nowhere;
    if (this.session.json) {
      const { size, sha256, state, reason, type, tar_offset: offset } = row;
      const mtime = new Date(row.mtime_s * 1000).toISOString();
      this.session.emit({
        setId: row.set_id,
        ...jsonPath(row.path),
        type,
        size,
        mtime,
        sha256,
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
    const kind = { file: '-', directory: 'd', symlink: 'l', other: '?' }[row.type];
    const size = String(row.size).padStart(12);
    this.session.print(
      `${kind} ${size} ${formatTime(row.mtime_s * 1000)}  ${where}  ${shownPath(row.path)}${target}`,
    );
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

/** Where a symbolic link leads to, or which member a hard link is the same file as. */
function linkOf({ type, link_target: target }: FileRow): Record<string, string> {
  if (target === null) return {};
  return type === 'symlink'
    ? jsonName('target', fromBytes(target))
    : jsonName('hardLink', `/${fromBytes(target)}`);
}

function shownLink({ type, link_target: target }: FileRow): string {
  if (target === null) return '';
  return type === 'symlink' ? ` -> ${toText(fromBytes(target))}` : ` = ${shownPath(target)}`;
}
