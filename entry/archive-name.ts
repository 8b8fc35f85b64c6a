import { archiveFormats, encryptedEnding, formatEndings, type ArchiveFormat } from './archive-format.js';

const manifestEnding = '.manifest.jsonl.gz';

/**
 * Name of a group's archive: `backup_2026-11_000001_000001.tar.gz`; the group has six digits, from 000001. The name of
 * an encrypted one ends in `.age` besides.
 */
export function archiveName(setId: string, group: number, format: ArchiveFormat, encrypted = false): string {
  return `${nameOf(setId, group)}${formatEndings[format]}${encrypted ? encryptedEnding : ''}`;
}

/** All names that a group's archive may have. */
export function archiveNames(setId: string, group: number): string[] {
  return [false, true].flatMap((encrypted) =>
    archiveFormats.map((format) => archiveName(setId, group, format, encrypted)),
  );
}

/** Name of the manifest beside an archive, which is encrypted where the archive is. */
export function manifestName(setId: string, group: number, encrypted = false): string {
  return `${nameOf(setId, group)}${manifestEnding}${encrypted ? encryptedEnding : ''}`;
}

/** Both names that a group's manifest may have. */
export function manifestNames(setId: string, group: number): string[] {
  return [manifestName(setId, group), manifestName(setId, group, true)];
}

function nameOf(setId: string, group: number): string {
  return `backup_${setId}_${String(group).padStart(6, '0')}`;
}

/** Name of the file on a tape that marks the end of a set and says how many groups it has. */
export function endMarkName(setId: string): string {
  return `backup_${setId}.end.json`;
}

/** What the name of an archive or of a manifest says; undefined for any other name. */
export function parseArchiveName(
  name: string,
): { setId: string; group: number; isManifest: boolean } | undefined {
  const match =
    /^backup_(\d{4}-\d{2}_\d{6})_(\d{6,})\.(?:tar(?:\.gz|\.zst)?|(manifest\.jsonl\.gz))(?:\.age)?$/.exec(
      name,
    );
  if (match?.[1] === undefined) return undefined;
  return { setId: match[1], group: Number(match[2]), isManifest: match[3] !== undefined };
}

/**
 * Name of an incomplete file. It includes the token of the attempt, so that no other attempt mistakes the file for its
 * own.
 */
export function partName(name: string, token: string): string {
  return `${name}.${token}.part`;
}
