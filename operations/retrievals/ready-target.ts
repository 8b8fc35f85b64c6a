import { isFreshTarget } from '../../archive/unpack/fresh-target.js';
import { summarizeRetrieval } from '../../catalog/retrievals/retrieval-summary.js';
import { recordTarget, retrievalNamed, selectionOf } from '../../catalog/retrievals/retrievals.js';
import type { RetrievalRow } from '../../catalog/rows.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { pathsAround } from '../../catalog/sets/taken-options.js';
import { TapeflowFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';
import type { Attempt } from '../attempt.js';
import type { Deps } from '../deps.js';
import { collidingNames } from './colliding-names.js';
import { lookAtTarget } from './look-at-target.js';
import { openTargetFolder } from './open-target.js';
import { isOneFileSystem, lackOfRoom, roomNeeded } from './restore-room.js';
import { requireTarget } from './restore-target.js';

/**
 * Makes sure, on the host that has a restore's target, that it can be used, and has been looked at before anything is
 * restored. One that the command could not look at itself, since it is on another host, is made if it is missing, and
 * has to have room. Throws `TargetUnusable`.
 *
 * @returns the retrieval as it is then.
 */
export async function readyTarget(deps: Deps, attempt: Attempt, before: RetrievalRow): Promise<RetrievalRow> {
  const { catalog, settings } = deps;
  const { id, looked, target_asked: asked } = before;
  if (looked === null && asked !== null)
    await recordTarget(catalog, id, await lookFirst(deps, attempt, before, asked));
  const retrieval = looked === null ? await retrievalNamed(catalog, id) : before;
  if (retrieval.target === null) return retrieval;
  await requireTarget(settings, retrieval.target);
  await lookAtTarget(deps, attempt, retrieval, retrieval.target);
  return retrieval;
}

/** What the command would have found if the target were on its host. Throws `TargetUnusable`. */
async function lookFirst(
  { catalog, settings }: Deps,
  attempt: Attempt,
  retrieval: RetrievalRow,
  asked: string,
): Promise<Pick<RetrievalRow, 'target' | 'fresh' | 'refused'>> {
  const { id, subject: setId, overwrite, unchecked } = retrieval;
  const selection = selectionOf(retrieval);
  const sources = pathsAround(await setNamed(catalog, setId));
  try {
    const target = openTargetFolder(settings, asked);
    const isFresh = isFreshTarget(target, sources, selection.strip);
    const { bytes, members } = await summarizeRetrieval(catalog, id);
    if (unchecked === 0) {
      const fresh = isFresh && isOneFileSystem(target, sources) ? { bytes, members } : undefined;
      const lack = lackOfRoom(await roomNeeded(catalog, { setId, target, selection, overwrite, fresh }));
      if (lack !== undefined)
        throw new TapeflowFailure('NoRoom', lack, {
          advice: english`Nothing was restored; make room, give another target, or add --no-room-check.`,
        });
    }
    const job = { name: id, token: attempt.token };
    const collide =
      target === '/' ? [] : await collidingNames(catalog, { setId, target, selection, members, job });
    const refused = collide.length === 0 ? null : JSON.stringify(collide);
    return { target, fresh: Number(isFresh), refused };
  } catch (error) {
    if (!(error instanceof TapeflowFailure)) throw error;
    throw new TapeflowFailure(
      'TargetUnusable',
      english`On host ${settings.TAPEFLOW_HOST}: ${error.message}`,
      {
        ...(error.advice === undefined ? {} : { advice: error.advice }),
      },
    );
  }
}
