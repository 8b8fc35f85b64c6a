import { ManifestError, type ManifestEnd, type ManifestHeader } from '../../entry/manifest-content.js';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { fromText, displayName, escapeForTerminal } from '../../entry/byte-string.js';
import { LineTooLong, linesOf } from './lines.js';
import { manifestVersion } from './manifest.js';
import { unsafeNameReason } from '../../entry/member-name.js';
import type { UnchangedMember, MemberFlag, PackedMember, SkippedMember } from '../../entry/member.js';

const nameFields = (key: string) => ({
  [key]: z.string().optional(),
  [`${key}Base64`]: z.string().optional(),
});

const setId = z.string().regex(/^\d{4}-\d{2}_\d{6}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const headerSchema = z.object({
  tapeflow: z.literal('manifest'),
  version: z.number(),
  set: setId,
  setUuid: z.string(),
  group: z.number().int().positive(),
  // A plain file name, since it is appended to a folder.
  archive: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/),
  created: z.string(),
  installation: z.string(),
  sources: z.array(z.string()),
  hostname: z.string(),
  mode: z.string(),
  base: setId.optional(),
  platform: z.string(),
  rebuilt: z.boolean().optional(),
  endMark: z.boolean().optional(),
});

const knownFlags: readonly string[] = ['newer', 'grew', 'changed', 'padded'] satisfies MemberFlag[];

const timeFields = z.tuple([z.number().int(), z.number().int().min(0).max(999_999_999)]);

/** Common fields of stored entries and of those held by an earlier archive. */
const entryFields = {
  ...nameFields('target'),
  ...nameFields('hardLinkOf'),
  size: z.number().int().nonnegative(),
  mtime: timeFields,
  ctime: timeFields.optional(),
  mode: z.number().int().nonnegative(),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
  dev: z.string(),
  ino: z.string(),
  nlink: z.number().int(),
  sha256: sha256.optional(),
  offset: z.number().int().nonnegative(),
};

const memberSchema = z.object({
  ...nameFields('name'),
  ...entryFields,
  type: z.enum(['file', 'directory', 'symlink', 'link']),
  content: z.number().int().nonnegative().optional(),
  // Flags of later versions are ignored, like unknown keys.
  flags: z
    .array(z.string())
    .default([])
    .transform((flags) => flags.filter((flag): flag is MemberFlag => knownFlags.includes(flag))),
});

const keptSchema = z.object({
  ...nameFields('kept'),
  ...entryFields,
  set: setId,
  group: z.number().int().positive(),
});

const skippedSchema = z.object({ ...nameFields('skipped'), reason: z.string() });

const endSchema = z.object({
  end: z.literal(true),
  members: z.number().int().nonnegative(),
  skipped: z.number().int().nonnegative(),
  kept: z.number().int().nonnegative().default(0),
  bytesIn: z.number().int().nonnegative(),
  size: z.number().int().nonnegative(),
  sha256,
  tarBytes: z.number().int().nonnegative(),
  blockBytes: z.number().int().positive(),
  blocks: z.array(z.number().int().positive()),
});

export type ManifestLine =
  | { kind: 'header'; header: ManifestHeader }
  | { kind: 'member'; member: PackedMember }
  | { kind: 'skipped'; skipped: SkippedMember }
  | { kind: 'kept'; kept: UnchangedMember }
  | { kind: 'end'; end: ManifestEnd };

/** Maximum bytes of a line: far more than the longest names need, and a memory bound for forged files. */
const longestLine = 64 * 1024 * 1024;

/**
 * Reads a manifest line by line. Throws `ManifestError` at the first invalid line or when the end line is missing;
 * everything before is valid.
 */
export async function* readManifest(path: string): AsyncGenerator<ManifestLine> {
  let number = 0;
  let ended = false;
  try {
    for await (const line of gunzippedLines(path)) {
      number += 1;
      const parsed = parseLine(line, number);
      if (parsed === undefined) continue;
      if ((number === 1) !== (parsed.kind === 'header'))
        throw new ManifestError(`line ${number} is out of place`);
      ended = parsed.kind === 'end';
      yield parsed;
    }
    if (!ended) throw new ManifestError('it is cut short');
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    if (error instanceof LineTooLong) throw new ManifestError(`line ${number + 1} is too long`);
    throw new ManifestError(`it cannot be read: ${error instanceof Error ? error.message : 'error'}`);
  }
}

/** Lines of a gzip file; only of a regular file, since a pipe or device on a tape could block the reader for ever. */
async function* gunzippedLines(path: string): AsyncGenerator<string> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const handle = await open(path, flags);
  const text = createGunzip();
  try {
    if (!(await handle.stat()).isFile()) throw new ManifestError('it is not a regular file');
    const file = handle.createReadStream({ autoClose: false });
    file.on('error', (error) => text.destroy(error));
    yield* linesOf(file.pipe(text), longestLine);
    file.destroy();
  } finally {
    text.destroy();
    await handle.close();
  }
}

function parseLine(line: string, number: number): ManifestLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ManifestError(`line ${number} is not JSON`);
  }
  if (value === null || typeof value !== 'object') throw new ManifestError(`line ${number} is not an object`);
  const check = <T>(schema: z.ZodType<T>): T => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new ManifestError(
      `line ${number}: ${issue?.path.join('.') ?? ''} ${escapeForTerminal(issue?.message ?? 'is wrong').slice(0, 200)}`,
    );
  };
  if ('tapeflow' in value) {
    const { tapeflow: _, version, ...header } = check(headerSchema);
    if (version !== manifestVersion)
      throw new ManifestError(`it has version ${version}, and this program reads ${manifestVersion}`);
    return { kind: 'header', header };
  }
  if ('end' in value) {
    const { end: _, ...end } = check(endSchema);
    return { kind: 'end', end };
  }
  if ('skipped' in value || 'skippedBase64' in value) {
    const fields = check(skippedSchema);
    return {
      kind: 'skipped',
      skipped: { name: nameIn(fields, 'skipped', number) ?? '', reason: fields.reason },
    };
  }
  if ('kept' in value || 'keptBase64' in value)
    return { kind: 'kept', kept: keptOf(check(keptSchema), number) };
  if (!('type' in value)) return undefined;
  return { kind: 'member', member: memberOf(check(memberSchema), number) };
}

function memberOf(fields: z.output<typeof memberSchema>, number: number): PackedMember {
  const name = nameIn(fields, 'name', number) ?? '';
  const linkTarget = nameIn(fields, 'target', number) ?? null;
  const hardLinkOf = nameIn(fields, 'hardLinkOf', number) ?? null;
  // A symbolic link's target may be anything, since it is never followed; the others are member names.
  requireSafe([name, ...(fields.type === 'link' ? [linkTarget ?? ''] : []), hardLinkOf ?? name], number);
  const { type, size, mode, uid, gid, dev, ino, nlink, offset, flags } = fields;
  return {
    ...{ name, type, size, mode, uid, gid, dev, ino, nlink, offset, flags },
    mtimeS: fields.mtime[0],
    mtimeNs: fields.mtime[1],
    ...(fields.ctime === undefined ? {} : { ctime: fields.ctime }),
    linkTarget,
    hardLinkOf,
    sha256: fields.sha256 ?? null,
    contentOffset: fields.content ?? null,
  };
}

function keptOf(fields: z.output<typeof keptSchema>, number: number): UnchangedMember {
  const name = nameIn(fields, 'kept', number) ?? '';
  const linkTarget = nameIn(fields, 'target', number) ?? null;
  const hardLinkOf = nameIn(fields, 'hardLinkOf', number) ?? null;
  requireSafe([name, linkTarget ?? name, hardLinkOf ?? name], number);
  const { set, group, offset, size, mode, uid, gid, dev, ino, nlink } = fields;
  return {
    ...{ name, set, group, offset, size, mode, uid, gid, dev, ino, nlink, linkTarget, hardLinkOf },
    mtimeS: fields.mtime[0],
    mtimeNs: fields.mtime[1],
    ...(fields.ctime === undefined ? {} : { ctime: fields.ctime }),
    sha256: fields.sha256 ?? null,
  };
}

/** Throws when a member name could lead out of the restore target. */
function requireSafe(names: readonly string[], number: number): void {
  for (const used of names) {
    const wrong = unsafeNameReason(used);
    if (wrong !== undefined)
      throw new ManifestError(`line ${number}: the name "${displayName(used.slice(0, 200))}" ${wrong}`);
  }
}

function nameIn(fields: Record<string, unknown>, key: string, number: number): string | undefined {
  const text = fields[key];
  const base64 = fields[`${key}Base64`];
  if (typeof text === 'string') return fromText(text);
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64').toString('latin1');
  if (key === 'name' || key === 'skipped' || key === 'kept')
    throw new ManifestError(`line ${number} has no name`);
  return undefined;
}
