import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { fromText } from './byte-string.js';
import { manifestVersion, type ManifestEnd, type ManifestHeader } from './manifest.js';
import { unsafeName } from './member-name.js';
import type { PackedMember, SkippedMember } from './member.js';

const nameFields = (key: string) => ({
  [key]: z.string().optional(),
  [`${key}Base64`]: z.string().optional(),
});

const headerSchema = z.object({
  tapeflow: z.literal('manifest'),
  version: z.number(),
  set: z.string(),
  setUuid: z.string(),
  group: z.number().int().positive(),
  archive: z.string(),
  created: z.string(),
  installation: z.string(),
  sources: z.array(z.string()),
  hostname: z.string(),
  mode: z.string(),
  platform: z.string(),
});

const memberSchema = z.object({
  ...nameFields('name'),
  ...nameFields('target'),
  ...nameFields('hardLinkOf'),
  type: z.enum(['file', 'directory', 'symlink', 'link']),
  size: z.number().int().nonnegative(),
  mtime: z.tuple([z.number().int(), z.number().int().min(0).max(999_999_999)]),
  mode: z.number().int().nonnegative(),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
  dev: z.string(),
  ino: z.string(),
  nlink: z.number().int(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  offset: z.number().int().nonnegative(),
  content: z.number().int().nonnegative().optional(),
  flags: z.array(z.enum(['grew', 'changed', 'padded'])).default([]),
});

const skippedSchema = z.object({ ...nameFields('skipped'), reason: z.string() });

const endSchema = z.object({
  end: z.literal(true),
  members: z.number().int().nonnegative(),
  skipped: z.number().int().nonnegative(),
  bytesIn: z.number().nonnegative(),
  size: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  tarBytes: z.number().int().nonnegative(),
  blockBytes: z.number().int().positive(),
  blocks: z.array(z.number().int().positive()),
});

export type ManifestLine =
  | { kind: 'header'; header: ManifestHeader }
  | { kind: 'member'; member: PackedMember }
  | { kind: 'skipped'; skipped: SkippedMember }
  | { kind: 'end'; end: ManifestEnd };

/** A manifest that is damaged, cut short or forged; the message is a part of a sentence. */
export class ManifestError extends Error {}

/** Characters of one line; far above what the longest name needs, and a bound for a forged file. */
const longestLine = 64 * 1024 * 1024;

/**
 * Reads a manifest line by line. Throws `ManifestError` at the first line that is wrong or when the end line is missing;
 * what came before is good.
 */
export async function* readManifest(path: string): AsyncGenerator<ManifestLine> {
  const file = createReadStream(path);
  const text = createGunzip();
  const lines = createInterface({ input: file.pipe(text), crlfDelay: Infinity });
  let broken: Error | undefined;
  const fail = (error: Error) => {
    broken ??= error;
    lines.close();
  };
  file.on('error', fail);
  text.on('error', fail);
  let number = 0;
  let ended = false;
  try {
    for await (const line of lines) {
      number += 1;
      if (line.length > longestLine) throw new ManifestError(`line ${number} is too long`);
      const parsed = parseLine(line, number);
      if (parsed === undefined) continue;
      if ((number === 1) !== (parsed.kind === 'header'))
        throw new ManifestError(`line ${number} is out of place`);
      ended = parsed.kind === 'end';
      yield parsed;
    }
    if (broken !== undefined) throw broken;
    if (!ended) throw new ManifestError('it is cut short');
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    throw new ManifestError(`it cannot be read: ${error instanceof Error ? error.message : 'error'}`);
  } finally {
    lines.close();
    file.destroy();
  }
}

function parseLine(line: string, number: number): ManifestLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ManifestError(`line ${number} is no JSON`);
  }
  if (value === null || typeof value !== 'object') throw new ManifestError(`line ${number} is no object`);
  const check = <T>(schema: z.ZodType<T>): T => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new ManifestError(`line ${number}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`);
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
  if (!('type' in value)) return undefined;
  return { kind: 'member', member: memberOf(check(memberSchema), number) };
}

function memberOf(fields: z.output<typeof memberSchema>, number: number): PackedMember {
  const name = nameIn(fields, 'name', number) ?? '';
  const wrong = unsafeName(name);
  if (wrong !== undefined)
    throw new ManifestError(`line ${number}: the name ${JSON.stringify(name)} ${wrong}`);
  const { type, size, mode, uid, gid, dev, ino, nlink, offset, flags } = fields;
  return {
    ...{ name, type, size, mode, uid, gid, dev, ino, nlink, offset, flags },
    mtimeS: fields.mtime[0],
    mtimeNs: fields.mtime[1],
    linkTarget: nameIn(fields, 'target', number) ?? null,
    hardLinkOf: nameIn(fields, 'hardLinkOf', number) ?? null,
    sha256: fields.sha256 ?? null,
    contentOffset: fields.content ?? null,
  };
}

function nameIn(fields: Record<string, unknown>, key: string, number: number): string | undefined {
  const text = fields[key];
  const base64 = fields[`${key}Base64`];
  if (typeof text === 'string') return fromText(text);
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64').toString('latin1');
  if (key === 'name' || key === 'skipped') throw new ManifestError(`line ${number} has no name`);
  return undefined;
}
