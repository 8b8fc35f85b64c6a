import { z } from 'zod';
import { hostName } from '../../entry/host-path.js';
import type { MemberFlag } from '../../entry/member.js';
import { readableVersions } from './manifest.js';

/** A name as text, or in base64 where it is no UTF-8. */
const nameFields = (key: string) => ({
  [key]: z.string().optional(),
  [`${key}Base64`]: z.string().meta({ contentEncoding: 'base64' }).optional(),
});

/** For the JSON Schema of a line: that it has one of the two. The reader looks itself, which is faster than a union. */
const named = (key: string, description: string) => ({
  description,
  anyOf: [{ required: [key] }, { required: [`${key}Base64`] }],
});

const setId = z.string().regex(/^\d{4}-\d{2}_\d{6}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What the header of any version says. */
export const headerFields = z.object({
  tapeflow: z.literal('manifest'),
  version: z.number().meta({ enum: [...readableVersions] }),
  set: setId,
  setUuid: z.string(),
  group: z.number().int().positive(),
  // A plain file name: it is put after a folder's.
  archive: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/),
  created: z.string(),
  installation: z.string(),
  sources: z.array(z.string()),
  host: z.string().regex(hostName).optional(),
  hostname: z.string(),
  mode: z.string(),
  base: setId.optional(),
  platform: z.string(),
  rebuilt: z.boolean().optional(),
  endMark: z.boolean().optional(),
  recipients: z.array(z.string()).optional(),
});

/** What it says more in version 3, where it is all there, with a base. */
export const changesFields = z.object({
  baseUuid: z.string(),
  baseTapes: z.array(z.string()).default([]),
  ...nameFields('first'),
  ...nameFields('last'),
});

const header = headerFields
  .extend(changesFields.partial().shape)
  .meta({ description: 'The first line: what the archive belongs to.' });

const knownFlags: readonly string[] = [
  ...(['newer', 'grew', 'changed', 'padded', 'inconsistent', 'unlisted', 'lacking'] satisfies MemberFlag[]),
];

const timeFields = z.tuple([z.number().int(), z.number().int().min(0).max(999_999_999)]);

/** Extended attributes and ACLs; see entry/attributes.ts. */
const attributes = z.object({
  xattrs: z.record(z.string(), z.string().meta({ contentEncoding: 'base64' })).optional(),
  accessAcl: z.string().optional(),
  defaultAcl: z.string().optional(),
});

/** What both a stored entry and one that an earlier archive holds have. */
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
  stored: z.number().int().nonnegative().optional(),
  storedSha256: sha256.optional(),
  attributes: attributes.optional(),
  offset: z.number().int().nonnegative(),
};

const member = z
  .object({
    ...nameFields('name'),
    ...entryFields,
    type: z.enum(['file', 'directory', 'symlink', 'link', 'fifo', 'character', 'block']),
    device: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]).optional(),
    content: z.number().int().nonnegative().optional(),
    // Flags of a later version are ignored, as unknown keys are.
    flags: z
      .array(z.string())
      .default([])
      .transform((flags) => flags.filter((flag): flag is MemberFlag => knownFlags.includes(flag))),
  })
  .meta(named('name', 'A member of the archive.'));

const kept = z
  .object({
    ...nameFields('kept'),
    ...entryFields,
    set: setId,
    group: z.number().int().positive(),
  })
  .meta(named('kept', 'A file that an earlier archive holds as it is.'));

const skipped = z
  .object({ ...nameFields('skipped'), reason: z.string() })
  .meta(named('skipped', 'An entry that is not, or not whole, in the archive.'));

const gone = z
  .object(nameFields('gone'))
  .meta(named('gone', 'A file that the base has, and the set has not: in version 3.'));

const end = z
  .object({
    end: z.literal(true),
    members: z.number().int().nonnegative(),
    skipped: z.number().int().nonnegative(),
    kept: z.number().int().nonnegative().default(0),
    gone: z.number().int().nonnegative().optional(),
    unchanged: z.number().int().nonnegative().optional(),
    bytesIn: z.number().int().nonnegative(),
    size: z.number().int().nonnegative(),
    sha256,
    tarBytes: z.number().int().nonnegative(),
    blockBytes: z.number().int().positive(),
    blocks: z.array(z.number().int().positive()),
    ageHeader: z.string().meta({ contentEncoding: 'base64' }).optional(),
  })
  .meta({ description: 'The last line: the size and hash of the archive, and where its blocks begin.' });

/** The lines of a manifest, by their kinds. docs/schemas/ has their JSON Schemas. */
export const lineSchemas = { header, member, kept, skipped, gone, end };
