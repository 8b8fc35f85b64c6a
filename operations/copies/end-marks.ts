import { setEndOf, isMarked, noteMark, wasMarked, type SetEnd } from '../../catalog/sets/set-end.js';
import { isUnknownSet } from '../../catalog/rebuilt/rebuilt-sets.js';
import { findSet } from '../../catalog/sets/sets.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { readEndMark, writeEndMark } from '../../tape/labels/end-mark.js';
import { confirmMedium } from '../../tape/drives/drive.js';
import type { LoadedTape } from '../../tape/drives/loaded-tape.js';
import { isMediumError, isMountDeath } from '../../tape/ltfs/ltfs.js';
import type { Attempt } from '../attempt.js';
import type { Deps, DriveDeps } from '../deps.js';

/** A written end mark, which counts once the tape is synced. */
export interface WrittenMark {
  setId: string;
  end: SetEnd;
}

/**
 * Writes missing end marks of sets on the tape whose scan has ended. The caller holds and syncs the tape. If a mark
 * cannot be written it is only left out: the archives are good without it.
 */
export async function writeEndMarks(
  deps: DriveDeps,
  tape: LoadedTape,
  setIds: Iterable<string>,
  attempt: Attempt,
): Promise<WrittenMark[]> {
  const written: WrittenMark[] = [];
  for (const setId of setIds) {
    try {
      const end = await writeOne(deps, tape, setId, attempt);
      if (end !== undefined) written.push({ setId, end });
    } catch (error) {
      attempt.throwIfCancelled();
      deps.lock.check();
      if (error instanceof TapeflowFailure || isMediumError(error) || isMountDeath(error)) throw error;
      const why = describeError(error);
      deps.logger.warn({ setId, tape: tape.row.name, reason: why }, 'the end mark could not be written');
    }
  }
  return written;
}

async function writeOne(
  { catalog, drive, lock, logger }: DriveDeps,
  tape: LoadedTape,
  setId: string,
  attempt: Attempt,
): Promise<SetEnd | undefined> {
  const set = await findSet(catalog, setId);
  if (set === undefined || isUnknownSet(set)) return undefined;
  const end = await setEndOf(catalog, set);
  const { uuid, name } = tape.row;
  if (end === undefined || (await isMarked(catalog, setId, uuid, end))) return undefined;
  const mountPoint = drive.settings.path;
  if (!(await wasMarked(catalog, setId, uuid))) {
    const found = await readEndMark(mountPoint, setId);
    if (found !== undefined && 'mark' in found && found.mark.setUuid !== set.uuid) {
      logger.warn({ setId, tape: name }, 'the tape holds the end mark of another set of that number');
      return undefined;
    }
  }
  attempt.throwIfCancelled();
  lock.check();
  const { groups, entries, without } = end;
  const confirm = () => confirmMedium(drive.settings, tape.medium);
  const writing = { mountPoint, setId, setUuid: set.uuid, token: attempt.token, confirm };
  return (await writeEndMark({ groups, entries, without }, writing)) ? end : undefined;
}

/** Records the marks that a sync of the tape has made durable. */
export async function noteMarks(
  { catalog }: Pick<Deps, 'catalog'>,
  tape: LoadedTape,
  marks: readonly WrittenMark[],
): Promise<void> {
  for (const { setId, end } of marks) await noteMark(catalog, setId, tape.row.uuid, end);
}
