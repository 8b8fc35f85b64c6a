import { queueDepth } from '../../catalog/groups/groups-in-state.js';
import { archiveOf, bytesWithManifest, groupOf } from '../../catalog/groups/groups.js';
import { advanceGroup } from '../../catalog/groups/group-states.js';
import { recordEvents } from '../../catalog/groups/events.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { TapeflowFailure } from '../../config/failures.js';
import { finalDir } from '../../staging/paths.js';
import { asAttempt } from '../attempt.js';
import { pauseFor } from '../../operations/attempt.js';
import type { Deps, GroupRef } from '../../operations/deps.js';
import { logStage } from '../../operations/groups/log-stage.js';
import { isWholeInFinal } from '../../staging/staged-files.js';
import { setOptions } from '../../operations/sets/set-options.js';
import { english } from '../../messages/sentence.js';

/** Milliseconds between two checks. */
const lookEveryMs = 1000;
/** The first checks come sooner: a rename is immediate, and a second for each of 10,000 groups would add up. */
const firstLooksMs = [10, 20, 50, 100, 200];

/**
 * Stage 3: checks every second until the complete archive is in `final/`, by size and not only by name. After
 * `FINAL_WAIT_SECONDS` it warns (`final_timeout`), and the retry policy checks again.
 * @returns bytes of archive and manifest in staging; null when the archive was withdrawn.
 */
export function waitForFinal(deps: Deps, ref: GroupRef): Promise<number | null> {
  return asAttempt(async (attempt) => {
    const { catalog, settings } = deps;
    const { finalWaitSeconds } = setOptions(await setNamed(catalog, ref.setId));
    const folder = finalDir(settings.BACKUP_COMPRESS_DIR, ref.setId);
    const began = performance.now();
    for (let look = 0; ; look += 1) {
      const group = await groupOf(catalog, ref.setId, ref.group);
      const archive = await archiveOf(catalog, ref.setId, ref.group);
      // Withdrawn by another step because its staged bytes are gone, or already past this stage.
      if (archive === undefined) return null;
      const bytes = bytesWithManifest(archive);
      if (!['compressed', 'promoted'].includes(group.state)) return bytes;
      const ms = performance.now() - began;
      if (group.state === 'promoted' && (await isWholeInFinal(folder, archive))) {
        await enqueue(deps, ref, archive, ms);
        return bytes;
      }
      if (ms > finalWaitSeconds * 1000) {
        const message = english`${archive.name} was not whole in ${folder} after ${finalWaitSeconds} s`;
        await recordEvents(catalog, [{ ...ref, stage: 'final_timeout', ms, detail: message }]);
        logStage(deps, 'final_timeout', ref, { archive: archive.name, ms });
        throw new TapeflowFailure('FinalTimeout', `${message}.`, {
          kind: 'transient',
          advice: english`See \`tapeflow trace ${archive.name}\`.`,
        });
      }
      attempt.report({ step: 'waiting for final', group: ref.group, seconds: Math.round(ms / 1000) });
      await pauseFor(attempt, firstLooksMs[look] ?? lookEveryMs);
    }
  });
}

async function enqueue(
  deps: Deps,
  ref: GroupRef,
  archive: { name: string; size: number },
  ms: number,
): Promise<void> {
  const { catalog } = deps;
  const depth = (await queueDepth(catalog, ref.setId)) + 1;
  const detail = english`queue depth ${depth}`;
  const stages = { bytes: archive.size, archive: archive.name };
  await advanceGroup(
    catalog,
    ref.setId,
    ref.group,
    'queue',
    { stage: 'final_visible', ms, bytes: archive.size },
    { stage: 'queued', bytes: archive.size, detail },
  );
  logStage(deps, 'final_visible', ref, { ...stages, ms });
  logStage(deps, 'queued', ref, { ...stages, depth });
}
