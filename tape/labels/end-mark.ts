import { lstat, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import type { SetEnd } from '../../catalog/sets/set-end.js';
import { systemErrorCode } from '../../config/failures.js';
import { onSide } from '../../config/sides.js';
import { grantGroupReadHandle } from '../../config/shared-group.js';
import { publish } from '../../disk/durable-file.js';
import { removeParts } from '../../disk/part-files.js';
import { endMarkName, partName } from '../../entry/archive-name.js';
import { NotSmallFile, readSmallFile } from './small-file.js';
import { tapeFolder } from '../files/write-archive.js';

/** Maximum bytes of a mark: enough for a hundred thousand group ranges, and a bound for forged files. */
const maxMarkBytes = 4 * 1024 * 1024;

const count = z.number().int().nonnegative();

const markVersion = 1;

/** The mark's file. docs/schemas/ has its JSON Schema. */
export const endMarkSchema = z
  .object({
    tapeflow: z.literal('end'),
    version: z.literal(markVersion),
    set: z.string(),
    setUuid: z.string(),
    groups: count.positive(),
    entries: count,
    without: z.array(z.tuple([count.positive(), count.positive()])),
    written: z.iso.datetime(),
  })
  .meta({ description: 'backup_SET.end.json, in the folder of a set on a tape.' });

/** The end mark of a set on a tape, which says how many groups the set has. Unknown keys are ignored. */
export type EndMark = z.output<typeof endMarkSchema>;

/**
 * Reads the end mark of a set on a tape; undefined when there is none, `wrong` when it is not a valid one of this set.
 * Throws errors of the tape.
 */
export async function readEndMark(
  mountPoint: string,
  setId: string,
): Promise<{ mark: EndMark } | { wrong: string } | undefined> {
  const file = path.join(tapeFolder(mountPoint, setId), endMarkName(setId));
  try {
    const text = await onSide('tape', () => readSmallFile(file, maxMarkBytes));
    return text === undefined ? undefined : parseMark(text, setId);
  } catch (error) {
    if (error instanceof NotSmallFile) return { wrong: error.message };
    throw error;
  }
}

function parseMark(text: string, setId: string): { mark: EndMark } | { wrong: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { wrong: english`it is not JSON` };
  }
  const parsed = endMarkSchema.safeParse(json);
  const { version } = (json ?? {}) as { version?: unknown };
  if (!parsed.success && typeof version === 'number' && version > markVersion)
    return { wrong: english`it has version ${version}, and this program reads ${markVersion}` };
  if (!parsed.success)
    return {
      wrong: english`its ${parsed.error.issues[0]?.path.join('.').slice(0, 100) ?? 'content'} is wrong`,
    };
  const mark = parsed.data;
  if (mark.set !== setId) return { wrong: english`it is of another set` };
  let last = 0;
  for (const [from, to] of mark.without) {
    if (from <= last || to < from || to > mark.groups) return { wrong: english`its without is wrong` };
    last = to;
  }
  return { mark };
}

/**
 * True when an entry with the name of a set's end mark is on the tape. Only the name is checked, which does not move
 * the tape.
 */
export async function hasEndMark(mountPoint: string, setId: string): Promise<boolean> {
  try {
    await onSide('tape', () => lstat(path.join(tapeFolder(mountPoint, setId), endMarkName(setId))));
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false;
    throw error;
  }
}

export interface MarkWriting {
  mountPoint: string;
  setId: string;
  setUuid: string;
  /** Token of the attempt; incomplete files are named after it. */
  token: string;
  /** Throws when the tape at the mount point is no longer the one that was checked. */
  confirm(): Promise<void>;
}

/**
 * Writes the end mark of a set to its folder on the tape, replacing an earlier one: part, fsync, rename. On LTFS it is
 * durable only after the next index sync. Does nothing when the set has no folder there.
 *
 * @returns false when there is no folder.
 */
export async function writeEndMark(end: SetEnd, writing: MarkWriting): Promise<boolean> {
  const { mountPoint, setId, setUuid, token, confirm } = writing;
  const folder = tapeFolder(mountPoint, setId);
  const name = endMarkName(setId);
  const mark: EndMark = {
    ...{ tapeflow: 'end', version: markVersion, set: setId, setUuid },
    ...end,
    written: new Date().toISOString(),
  };
  return onSide('tape', async () => {
    if (!(await isFolder(folder))) return false;
    await removeParts(folder, name);
    const part = path.join(folder, partName(name, token));
    try {
      const handle = await open(part, 'wx', 0o600);
      try {
        await grantGroupReadHandle(handle);
        await confirm();
        await handle.writeFile(`${JSON.stringify(mark)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await publish(part, path.join(folder, name));
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw error;
    }
    return true;
  });
}

async function isFolder(folder: string): Promise<boolean> {
  try {
    return (await lstat(folder)).isDirectory();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return false;
    throw error;
  }
}
