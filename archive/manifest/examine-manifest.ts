import {
  type ManifestEnd,
  type ManifestEntry,
  type ManifestSummary,
  type ManifestHeader,
  ManifestError,
} from '../../entry/manifest-content.js';
import type { PayloadKey } from '../age/age-format.js';
import { isWhole } from '../../entry/member.js';
import { unsafeNameReason } from '../../entry/member-name.js';
import { english } from '../../messages/sentence.js';
import { readManifest, type ManifestLine } from './read-manifest.js';

/** The header is set if at least that could be read. */
export interface WrongManifest {
  wrong: string;
  header: ManifestHeader | undefined;
}

/** The archive that a manifest must belong to, according to its name and folder. */
export interface ArchiveIdentity {
  set: string;
  group: number;
  /** Names that the archive may have. */
  archives: readonly string[];
}

/**
 * Reads a manifest to its end without keeping it, and checks what single lines cannot show: that it belongs to its
 * archive, that names ascend, and that its counts are right. `wrong` is part of a sentence.
 */
export async function examineManifest(
  path: string,
  identity: ArchiveIdentity,
  opened?: PayloadKey,
): Promise<ManifestSummary | WrongManifest> {
  let header: ManifestHeader | undefined;
  let end: ManifestEnd | undefined;
  const counted = { members: 0, skipped: 0, kept: 0, gone: 0, lacking: 0 };
  let [first, last, member]: (string | undefined)[] = [];
  try {
    for await (const line of readManifest(path, opened)) {
      if (line.kind === 'header') {
        requireIdentity(line.header, identity);
        header = line.header;
      } else if (line.kind === 'end') end = line.end;
      else {
        const { name } = nameOf(line);
        if (line.kind === 'member') {
          counted.members += 1;
          if (!isWhole(line.member.flags)) counted.lacking += 1;
          if (member !== undefined && name <= member)
            throw new ManifestError(english`its names are not in order`);
          member = name;
        } else counted[line.kind] += 1;
        if (line.kind === 'skipped' && unsafeNameReason(name) !== undefined) continue;
        if (first === undefined || name < first) first = name;
        if (last === undefined || name > last) last = name;
      }
    }
    if (header === undefined || end === undefined) throw new ManifestError(english`it is cut short`);
    const { members, skipped, kept, gone } = counted;
    const { changes } = header;
    const isCounted = members === end.members && skipped === end.skipped && kept === end.kept;
    if (!isCounted || (changes !== undefined && gone !== end.gone))
      throw new ManifestError(english`it does not hold as many entries as it says`);
    if (changes !== undefined) {
      if ((first ?? changes.first) < changes.first || (last ?? changes.last) > changes.last)
        throw new ManifestError(english`it holds names that are not of its group`);
      ({ first, last } = changes);
    }
  } catch (error) {
    if (error instanceof ManifestError) return { wrong: error.message, header };
    throw error;
  }
  const { members, skipped, kept, lacking } = counted;
  const entries =
    members + skipped + kept - lacking + (header.changes === undefined ? 0 : (end.unchanged ?? 0));
  return { header, end, entries, first: first ?? '', last: last ?? '' };
}

function nameOf(line: Exclude<ManifestLine, { kind: 'header' | 'end' }>): { name: string } {
  if (line.kind === 'member') return line.member;
  if (line.kind === 'gone') return line.gone;
  return line.kind === 'kept' ? line.kept : line.skipped;
}

function requireIdentity(header: ManifestHeader, { set, group, archives }: ArchiveIdentity): void {
  if (header.set !== set || header.group !== group || !archives.includes(header.archive))
    throw new ManifestError(english`it belongs to another archive`);
}

/** The entries of a manifest that was examined; skipped entries whose names cannot be paths are left out. */
export async function* manifestEntries(path: string, opened?: PayloadKey): AsyncGenerator<ManifestEntry> {
  for await (const line of readManifest(path, opened)) {
    if (line.kind === 'member') yield { member: line.member };
    else if (line.kind === 'kept') yield { kept: line.kept };
    else if (line.kind === 'gone') yield { gone: line.gone };
    else if (line.kind === 'skipped' && unsafeNameReason(line.skipped.name) === undefined)
      yield { skipped: line.skipped };
  }
}
