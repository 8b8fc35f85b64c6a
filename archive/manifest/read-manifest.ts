import {
  type ManifestChanges,
  type ManifestEnd,
  ManifestError,
  type ManifestHeader,
} from '../../entry/manifest-content.js';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { z } from 'zod';
import { fromText, displayName, escapeForTerminal } from '../../entry/byte-string.js';
import type { PayloadKey } from '../age/age-format.js';
import { openBytes } from '../readers/open-bytes.js';
import { LineTooLong, linesOf } from './lines.js';
import { changesVersion, readableVersions } from './manifest.js';
import { unsafeNameReason } from '../../entry/member-name.js';
import type { GoneMember, UnchangedMember, PackedMember, SkippedMember } from '../../entry/member.js';
import { changesFields, headerFields, lineSchemas } from './line-schemas.js';
import { readUnfollowed } from '../../disk/open-flags.js';
import { english } from '../../messages/sentence.js';

export type ManifestLine =
  | { kind: 'header'; header: ManifestHeader }
  | { kind: 'member'; member: PackedMember }
  | { kind: 'skipped'; skipped: SkippedMember }
  | { kind: 'kept'; kept: UnchangedMember }
  | { kind: 'gone'; gone: GoneMember }
  | { kind: 'end'; end: ManifestEnd };

/** Maximum bytes of a line: far more than the longest names need, and a memory bound for forged files. */
const longestLine = 64 * 1024 * 1024;

/**
 * Reads a manifest line by line. Throws `ManifestError` at the first invalid line or when the end line is missing;
 * everything before is valid.
 *
 * @param opened what opens it, if it is encrypted.
 */
export async function* readManifest(path: string, opened?: PayloadKey): AsyncGenerator<ManifestLine> {
  let number = 0;
  let ended = false;
  try {
    for await (const line of gunzippedLines(path, opened)) {
      number += 1;
      const parsed = parseLine(line, number);
      if (parsed === undefined) continue;
      if ((number === 1) !== (parsed.kind === 'header'))
        throw new ManifestError(english`line ${number} is out of place`);
      ended = parsed.kind === 'end';
      yield parsed;
    }
    if (!ended) throw new ManifestError(english`it is cut short`);
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    if (error instanceof LineTooLong) throw new ManifestError(english`line ${number + 1} is too long`);
    throw new ManifestError(english`it cannot be read: ${error instanceof Error ? error.message : 'error'}`);
  }
}

/** Lines of a gzip file; only of a regular file, since a pipe or device on a tape could block the reader for ever. */
async function* gunzippedLines(path: string, opened: PayloadKey | undefined): AsyncGenerator<string> {
  const handle = await open(path, readUnfollowed);
  const text = createGunzip();
  try {
    if (!(await handle.stat()).isFile()) throw new ManifestError(english`it is not a regular file`);
    const file: Readable =
      opened === undefined
        ? handle.createReadStream({ autoClose: false })
        : Readable.from(openedChunks(path, opened), { objectMode: false });
    file.on('error', (error) => text.destroy(error));
    yield* linesOf(file.pipe(text), longestLine);
    file.destroy();
  } finally {
    text.destroy();
    await handle.close();
  }
}

/** What is encrypted in a file. */
async function* openedChunks(path: string, opened: PayloadKey): AsyncGenerator<Buffer> {
  const file = openBytes(path, false, opened);
  try {
    for (let at = 0; ;) {
      const chunk = Buffer.allocUnsafe(1024 * 1024);
      const { bytes, holes } = await file.read(chunk, at, true);
      const [lost] = holes;
      if (lost !== undefined) throw new ManifestError(lost.why);
      if (bytes === 0) return;
      at += bytes;
      yield chunk.subarray(0, bytes);
    }
  } finally {
    file.close();
  }
}

function parseLine(line: string, number: number): ManifestLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ManifestError(english`line ${number} is not JSON`);
  }
  if (value === null || typeof value !== 'object')
    throw new ManifestError(english`line ${number} is not an object`);
  const check = <T>(schema: z.ZodType<T>): T => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new ManifestError(
      english`line ${number}: ${issue?.path.join('.') ?? ''}
        ${escapeForTerminal(issue?.message ?? 'is wrong').slice(0, 200)}`,
    );
  };
  if ('tapeflow' in value) {
    const fields = check(headerFields);
    const header = headerOf(fields);
    if (fields.version !== changesVersion) return { kind: 'header', header };
    if (header.base === undefined) throw new ManifestError(english`it does not say what it builds on`);
    return { kind: 'header', header: { ...header, changes: changesOf(check(changesFields), number) } };
  }
  if ('end' in value) {
    const { end: _, ...end } = check(lineSchemas.end);
    return { kind: 'end', end };
  }
  if ('skipped' in value || 'skippedBase64' in value) {
    const fields = check(lineSchemas.skipped);
    return {
      kind: 'skipped',
      skipped: { name: nameIn(fields, 'skipped', number) ?? '', reason: fields.reason },
    };
  }
  if ('kept' in value || 'keptBase64' in value)
    return { kind: 'kept', kept: keptOf(check(lineSchemas.kept), number) };
  if ('gone' in value || 'goneBase64' in value) {
    const name = nameIn(check(lineSchemas.gone), 'gone', number) ?? '';
    requireSafe([name], number);
    return { kind: 'gone', gone: { name, isGone: true } };
  }
  if (!('type' in value)) return undefined;
  return { kind: 'member', member: memberOf(check(lineSchemas.member), number) };
}

type HeaderFields = z.output<typeof headerFields>;

function headerOf({ tapeflow: _, version, ...header }: HeaderFields): ManifestHeader {
  if (readableVersions.includes(version)) return header;
  const known = `${readableVersions.slice(0, -1).join(', ')} and ${changesVersion}`;
  throw new ManifestError(english`it has version ${version}, and this program reads ${known}`);
}

function changesOf(fields: z.output<typeof changesFields>, number: number): ManifestChanges {
  const [first = '', last = ''] = ['first', 'last'].map((key) => nameIn(fields, key, number));
  requireSafe([first, last], number);
  return { baseUuid: fields.baseUuid, baseTapes: fields.baseTapes, first, last };
}

function memberOf(fields: z.output<typeof lineSchemas.member>, number: number): PackedMember {
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
    ...(fields.stored === undefined ? {} : { storedSize: fields.stored }),
    ...(fields.attributes === undefined ? {} : { attributes: fields.attributes }),
    linkTarget,
    ...(fields.device === undefined ? {} : { device: fields.device }),
    hardLinkOf,
    sha256: fields.sha256 ?? fields.storedSha256 ?? null,
    contentOffset: fields.content ?? null,
  };
}

function keptOf(fields: z.output<typeof lineSchemas.kept>, number: number): UnchangedMember {
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
    ...(fields.stored === undefined ? {} : { storedSize: fields.stored }),
    ...(fields.attributes === undefined ? {} : { attributes: fields.attributes }),
    sha256: fields.sha256 ?? fields.storedSha256 ?? null,
  };
}

/** Throws when a member name could lead out of the restore target. */
function requireSafe(names: readonly string[], number: number): void {
  for (const used of names) {
    const wrong = unsafeNameReason(used);
    if (wrong !== undefined)
      throw new ManifestError(
        english`line ${number}: the name "${displayName(used.slice(0, 200))}" ${wrong}`,
      );
  }
}

function nameIn(fields: Record<string, unknown>, key: string, number: number): string | undefined {
  const text = fields[key];
  const base64 = fields[`${key}Base64`];
  if (typeof text === 'string') return fromText(text);
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64').toString('latin1');
  if (key !== 'target' && key !== 'hardLinkOf') throw new ManifestError(english`line ${number} has no name`);
  return undefined;
}
