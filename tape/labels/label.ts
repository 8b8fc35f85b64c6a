import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { grantGroupReadHandle } from '../../config/shared-group.js';
import { fsyncFolder } from '../../disk/durable-file.js';
import { tapeNotReady } from '../drives/tape-not-ready.js';
import { NotSmallFile, readSmallFile } from './small-file.js';

/** The label's file at the root of a tape. */
export const labelFileName = 'tapeflow-label.json';

/** Maximum bytes of a label, as a bound for forged ones. */
const maxLabelBytes = 64 * 1024;

const labelVersion = 1;

/** The label's file. docs/schemas/ has its JSON Schema. */
export const labelSchema = z
  .object({
    tapeflowLabel: z.literal(labelVersion),
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
    pool: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
    uuid: z.uuid(),
    installation: z.uuid(),
    /** `user.ltfs.volumeUUID` at the time of labelling; null on a folder. */
    volume: z.string().nullable(),
    labelled: z.string(),
  })
  .meta({ description: 'tapeflow-label.json, at the root of a tape.' });

/** The label of a tape. Unknown keys are ignored. */
export type TapeLabel = z.output<typeof labelSchema>;

/**
 * The label of the tape at a mount point; undefined when there is none. Throws `TapeNotReady` for an invalid label: the
 * tape is refused, never relabelled automatically.
 */
export async function readLabel(mountPoint: string): Promise<TapeLabel | undefined> {
  const file = path.join(mountPoint, labelFileName);
  let text: string | undefined;
  try {
    text = await readSmallFile(file, maxLabelBytes);
  } catch (error) {
    if (error instanceof NotSmallFile) throw damaged(file, error.message);
    throw error;
  }
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(file, english`it is not JSON`);
  }
  const parsed = labelSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { tapeflowLabel: version } = (json ?? {}) as { tapeflowLabel?: unknown };
  if (typeof version === 'number' && version > labelVersion) throw ofLaterVersion(file, version);
  const issue = parsed.error.issues[0];
  throw damaged(file, english`its ${issue?.path.join('.') ?? 'content'} is wrong`);
}

/** Nothing is wrong with such a tape: it must not be told to be labelled anew. */
function ofLaterVersion(file: string, version: number): TapeflowFailure {
  return tapeNotReady(
    'label_version',
    english`The tape's label ${file} has version ${version}, and this program reads ${labelVersion}.`,
    english`Load another tape, or use a newer version of tapeflow for this one.`,
  );
}

function damaged(file: string, why: string): TapeflowFailure {
  return tapeNotReady(
    'label_damaged',
    english`The tape's label ${file} is damaged: ${why}.`,
    english`Load another tape, or label this one again with \`tapeflow tape
      label NAME --pool POOL --force\` if nothing on it is needed.`,
  );
}

/** Writes a label: part, fsync, rename, fsync of the folder. The caller syncs the tape's index. */
export async function writeLabel(mountPoint: string, label: Omit<TapeLabel, 'tapeflowLabel'>): Promise<void> {
  const file = path.join(mountPoint, labelFileName);
  const part = `${file}.${label.uuid}.part`;
  try {
    const handle = await open(part, 'wx', 0o600);
    try {
      await grantGroupReadHandle(handle);
      await handle.writeFile(JSON.stringify({ tapeflowLabel: labelVersion, ...label }, null, 2) + '\n');
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    // A full tape accepts a name but no bytes: the empty file must not stay there.
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
  await fsyncFolder(mountPoint);
}

/** UUID of the tape at a mount point, from its label only; undefined when there is none or it cannot be read. */
export async function loadedTapeId(mountPoint: string): Promise<string | undefined> {
  return (await readLabel(mountPoint).catch(() => undefined))?.uuid;
}
