import { setImmediate as yieldNow } from 'node:timers/promises';
import { fromBytes } from '../../entry/byte-string.js';
import { isFreshTarget } from '../../archive/unpack/fresh-target.js';
import { parentNames, strippedName } from '../../entry/member-name.js';
import { TargetTree } from '../../archive/unpack/target-tree.js';
import { privateMode } from '../../archive/unpack/open-folder.js';
import {
  endLook,
  existingAt,
  noteExisting,
  unfinishedBefore,
  type ExistingEntry,
} from '../../catalog/retrievals/existing-entries.js';
import type { FileRow, RetrievalRow } from '../../catalog/rows.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { selectionOf } from '../../catalog/retrievals/retrievals.js';
import { selectedFolders, selectedHardLinks } from '../../catalog/files/selected-files.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { pathsAround } from '../../catalog/sets/taken-options.js';
import { ownEntries } from '../../disk/own-folders.js';
import { onSide } from '../../config/sides.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';

/**
 * Records what a restore must leave as it is: existing folders in the target, and existing files that it would
 * otherwise turn into hard links. Finishes before the first archive is read, so that nothing found is the restore's
 * own; nothing is recorded with `--overwrite always`, or when nothing of the set exists.
 */
export async function lookAtTarget(
  { catalog, settings }: Pick<Deps, 'catalog' | 'settings'>,
  attempt: Attempt,
  retrieval: RetrievalRow,
  target: string,
): Promise<void> {
  const { id, subject, overwrite, looked } = retrieval;
  if (looked !== null) return;
  const sources = pathsAround(await setNamed(catalog, subject));
  if (overwrite === 'always' || isFreshTarget(target, sources, selectionOf(retrieval).strip))
    return endLook(catalog, id, '');
  await onSide('target', async () => {
    const job = { name: id, token: attempt.token };
    const tree = new TargetTree(target, job, ownEntries(settings), selectionOf(retrieval).strip);
    try {
      const found = await new Look(catalog, attempt, retrieval, tree).run();
      await endLook(catalog, id, found === 0 ? '' : attempt.token);
    } finally {
      tree.close();
    }
  });
}

class Look {
  /** A missing folder, with a trailing `/`: nothing is below it. */
  private absent: string | undefined;
  private found = 0;

  constructor(
    private readonly catalog: Catalog,
    private readonly attempt: Attempt,
    private readonly retrieval: RetrievalRow,
    private readonly tree: TargetTree,
  ) {}

  /** @returns how many entries were recorded. */
  async run(): Promise<number> {
    const { catalog, retrieval } = this;
    const selection = selectionOf(retrieval);
    const before = await unfinishedBefore(catalog, retrieval);
    const isOwn = async (path: Uint8Array) =>
      before !== undefined && (await existingAt(catalog, before, path)) === undefined;
    for await (const page of selectedFolders(catalog, retrieval.subject, selection))
      await this.note(page, async ({ path }) => {
        const there = this.lookAt(fromBytes(path));
        if (there?.isDirectory() !== true) return [];
        const isLeft =
          (there.mode & 0o777n) === BigInt(privateMode) && there.uid === BigInt(process.geteuid?.() ?? 0);
        return isLeft && (await isOwn(path)) ? [] : [{ path, ino: String(there.ino) }];
      });
    for await (const page of selectedHardLinks(catalog, retrieval.subject, selection))
      await this.note(page, async ({ path, hard_link_of: of }) => {
        const entries: ExistingEntry[] = [];
        for (const name of of === null ? [path] : [path, of]) {
          const there = this.lookAt(fromBytes(name));
          if (there !== undefined && !(await isOwn(name)))
            entries.push({ path: name, ino: String(there.ino) });
        }
        return entries;
      });
    return this.found;
  }

  private async note(rows: FileRow[], look: (row: FileRow) => Promise<ExistingEntry[]>): Promise<void> {
    const entries: ExistingEntry[] = [];
    for (const row of rows) entries.push(...(await look(row)));
    this.found += entries.length;
    this.attempt.throwIfCancelled();
    await noteExisting(this.catalog, this.retrieval.id, this.attempt.token, entries);
    await yieldNow();
  }

  private lookAt(name: string) {
    if (this.absent !== undefined && name.startsWith(this.absent)) return undefined;
    const there = this.tree.lookAt(name);
    if (there !== undefined) return there;
    let top = name;
    const { strip = 0 } = selectionOf(this.retrieval);
    for (const above of parentNames(name)) {
      if (strippedName(above, strip) === undefined) break;
      if (this.tree.lookAt(above) !== undefined) break;
      top = above;
    }
    this.absent = top.endsWith('/') ? top : `${top}/`;
    return undefined;
  }
}
