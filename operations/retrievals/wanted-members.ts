import { parseAttributes } from '../../entry/attributes.js';
import { fromBytes } from '../../entry/byte-string.js';
import type { WantedMember } from '../../archive/unpack/unpack-options.js';
import { holderOf, isStillLinked } from '../../catalog/files/files.js';
import { offsetAfter, tarOffsetOf } from '../../catalog/files/member-offsets.js';
import type { RetrievalArchiveRow, RetrievalRow } from '../../catalog/rows.js';
import { groupOf } from '../../catalog/groups/groups.js';
import type { RetrievalProblem } from '../../catalog/retrievals/retrieval-problems.js';
import { selectionOf } from '../../catalog/retrievals/retrievals.js';
import { isWholeRow, notWholeReason } from '../../catalog/files/whole-rows.js';
import type { MemberRow } from '../../catalog/files/files-in-range.js';
import { selectedMembers, selectedOutside } from '../../catalog/files/selected-files.js';
import { refusalOf, type Refused } from './colliding-names.js';
import type { Deps } from '../deps.js';

/** The set whose entries are wanted: the restored one, even when an earlier set's archive holds them. */
function subjectOf(retrieval: RetrievalRow, row: RetrievalArchiveRow): string {
  return retrieval.kind === 'restore' ? retrieval.subject : row.set_id;
}

/**
 * The wanted members of the archive in archive order, which is name order; incompletely stored members are also
 * recorded as problems.
 */
export async function* wantedPages(
  deps: Deps,
  retrieval: RetrievalRow,
  row: RetrievalArchiveRow,
  missed: ReadonlySet<string> | undefined,
  problems: RetrievalProblem[],
): AsyncGenerator<WantedMember[]> {
  const { catalog } = deps;
  const {
    set_id: setId,
    no,
    first_path: first,
    last_path: last,
  } = await groupOf(catalog, row.set_id, row.group_no);
  const within = { setId, group: no, first, last };
  const subject = subjectOf(retrieval, row);
  const refusal = refusalOf(refusedOf(retrieval));
  const selection = selectionOf(retrieval);
  let rows = 0;
  async function* pages(): AsyncGenerator<MemberRow[]> {
    yield* selectedMembers(catalog, subject, selection, within);
    // Only newer hard links are not in the archive's range of names.
    if (subject !== setId && rows < row.members) yield* selectedOutside(catalog, subject, selection, within);
  }
  for await (const page of pages()) {
    rows += page.length;
    const wanted: WantedMember[] = [];
    for (const file of page) {
      if (file.tar_offset === null || file.type === 'other' || file.state === 'planned') continue;
      const name = fromBytes(file.path);
      if (missed !== undefined && !missed.has(name)) continue;
      if (file.state === 'skipped' && retrieval.kind === 'restore') {
        problems.push({ path: file.path, reason: notWholeReason(file), salvaged: retrieval.salvage === 1 });
      }
      const refused = refusal(name);
      // Nothing is awaited, or copied into another object, for an ordinary member.
      const link = file.link_target === null ? noLink : await linkOf(deps, file);
      const member = wantedMember(file, name, link);
      if (refused !== undefined) member.refused = refused;
      if (retrieval.salvage === 1) member.next = await offsetAfter(catalog, within, file.path);
      wanted.push(member);
    }
    yield wanted;
  }
}

/** What a member is a link to, as `WantedMember` has it. */
type Link = Pick<WantedMember, 'linkTarget' | 'linkOffset' | 'apart'>;

const noLink: Link = { linkTarget: null, linkOffset: null, apart: false };

async function linkOf({ catalog }: Deps, file: MemberRow): Promise<Link> {
  const linkTarget = file.link_target === null ? null : fromBytes(file.link_target);
  let linkOffset: number | null = null;
  if (file.type === 'file' && file.link_target !== null)
    linkOffset = await tarOffsetOf(catalog, holderOf(file).setId, file.link_target);
  const apart = linkOffset !== null && file.held_set !== null && !(await isStillLinked(catalog, file));
  return { linkTarget, linkOffset, apart };
}

function wantedMember(file: MemberRow, name: string, { linkTarget, linkOffset, apart }: Link): WantedMember {
  const member: WantedMember = {
    name,
    type: file.type as WantedMember['type'],
    size: file.size,
    mtimeS: file.mtime_s,
    mtimeNs: file.mtime_ns,
    mode: file.mode & 0o7777,
    uid: file.uid,
    gid: file.gid,
    nlink: file.nlink,
    linkTarget,
    sha256: file.sha256,
    attributes: parseAttributes(file.attributes),
    offset: file.tar_offset ?? 0,
    linkOffset,
    apart,
    damaged: !isWholeRow(file),
  };
  if (file.stored_size !== null) member.storedSize = file.stored_size;
  return member;
}

function refusedOf({ refused }: RetrievalRow): Refused[] {
  return refused === null ? [] : (JSON.parse(refused) as Refused[]);
}
