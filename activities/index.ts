import { TapeflowFailure } from '../config/failures.js';
import { claimActivities } from './claim-start.js';
import { compressGroup } from './set/compress-group.js';
import { waitForRoom } from './set/wait-for-room.js';
import { compressToTape } from './tape/compress-to-tape.js';
import { fetchArchive } from './tape-copy/fetch-archive.js';
import { storeArchive } from './tape-copy/store-archive.js';
import { syncCopies } from './tape-copy/sync-copies.js';
import { waitForCopyRoom } from './tape-copy/wait-for-copy-room.js';
import { watchForCopy } from './tape-copy/watch-for-copy.js';
import type { CopyRef, Deps, DriveDeps, GroupRef, RetrievalRef } from '../operations/deps.js';
import { copiesWithoutMark, markEnd } from './tape/mark-end.js';
import { eraseLoadedTape } from './tape/erase-tape.js';
import { labelLoadedTape } from './tape/label-tape.js';
import { once } from './once.js';
import { readArchive } from './retrieval/read-archive.js';
import { readLoadedTape } from './tape/read-tape.js';
import type { TargetShortage } from '../operations/retrievals/restore-target.js';
import { giveUpArchive, nextArchives, recordRetrievalState } from './retrieval/retrieval-state.js';
import { finishInDrive, finishRetrieval } from './retrieval/finish-retrieval.js';
import { fetchForTarget } from './retrieval/fetch-for-target.js';
import { prepareTarget } from './retrieval/prepare-target.js';
import { unpackArchive, waitForTargetRoom } from './retrieval/unpack-archive.js';
import { watchForRetrieval } from './retrieval/watch-for-retrieval.js';
import { openScheduledRepair } from './schedule/open-scheduled-repair.js';
import { openScheduledReading, settleReading } from './schedule/open-scheduled-reading.js';
import { earlierSets, openScheduledSet } from './schedule/open-scheduled-set.js';
import { settleSets } from './schedule/settle-sets.js';
import { promoteArchive } from './set/promote-archive.js';
import { releaseArchives } from './set/release-archives.js';
import { closeHook, openHook } from './set/set-hook.js';
import { scanSources } from './set/scan-sources.js';
import type { HookTime } from '../operations/hooks/set-hook.js';
import type { ScheduleCall } from '../operations/sets/scheduled-work.js';
import { parkFailedGroup, recordState, retryParkedGroups } from './set/set-state.js';
import { endVerify } from './set/end-verify.js';
import { cancelSet, finishSet } from './set/finish-set.js';
import { nextGroups } from './set/next-groups.js';
import { syncTape } from './tape/sync-tape.js';
import { waitForFinal } from './set/wait-for-final.js';
import { watchTape, type TapeWatchRequest } from './tape/watch-tape.js';
import { writeToTape } from './tape/write-to-tape.js';
import type { TapeSearch } from '../catalog/retrievals/tape-search.js';
import type { EraseRequest } from '../catalog/tapes/erase.js';
import type { RetrievalState } from '../catalog/schema/retrieval-tables.js';
import type { SetState } from '../catalog/schema/set-tables.js';
import type { LabelRequest } from '../operations/tapes/label-tape.js';
import { english } from '../messages/sentence.js';

/** Activities that any archive worker can do: short or waiting ones, which need the catalog or staging alone. */
export function archiveActivities(deps: Deps) {
  return {
    ...claimActivities(deps),
    settleSets: (setIds: string[]) => settleSets(deps, setIds),
    openScheduledReading: (call: ScheduleCall) => openScheduledReading(deps, call),
    openScheduledRepair: (call: ScheduleCall, verifyId: string) => openScheduledRepair(deps, call, verifyId),
    settleReading: (id: string) => settleReading(deps, id),
    waitForRoom: (ref: GroupRef, place?: 'temp' | 'final') => waitForRoom(deps, ref, place),
    nextGroups: (setId: string, afterNo: number) => nextGroups(deps, setId, afterNo),
    releaseArchives: (setId: string, groups: number[]) => releaseArchives(deps, setId, groups),
    recordState: (setId: string, state: SetState, reason: string | null) =>
      recordState(deps, setId, state, reason),
    parkFailedGroup: (ref: GroupRef, stage: string, reason: string) =>
      parkFailedGroup(deps, ref, stage, reason),
    retryParkedGroups: (setId: string) => retryParkedGroups(deps, setId),
    copiesWithoutMark: (setId: string) => copiesWithoutMark(deps, setId),
    finishSet: (setId: string, problem?: string) => finishSet(deps, setId, problem),
    endVerify: (setId: string) => endVerify(deps, setId),
    nextArchives: (id: string) => nextArchives(deps, id),
    giveUpArchive: (ref: RetrievalRef, reason: string) => giveUpArchive(deps, ref, reason),
    recordRetrievalState: (id: string, state: RetrievalState, reason: string | null) =>
      recordRetrievalState(deps, id, state, reason),
    cancelSet: (setId: string, discard: boolean, left?: string) => cancelSet(deps, setId, discard, left),
  };
}

/** Activities that need the sources of a host, or what it has staged of them. */
export function sourceActivities(deps: Deps) {
  return {
    scanSources: (setId: string) => scanSources(deps, setId),
    openHook: (setId: string) => openHook(deps, setId),
    closeHook: (setId: string, time: HookTime) => closeHook(deps, setId, time),
    promoteArchive: (ref: GroupRef) => promoteArchive(deps, ref),
    earlierSets: (call: ScheduleCall) => earlierSets(deps, call),
    openScheduledSet: (call: ScheduleCall, madeBy: string) => openScheduledSet(deps, call, madeBy),
  };
}

/** Activities that need the target of a restore, on the host that has it. */
export function targetActivities(deps: Deps) {
  return {
    prepareTarget: (id: string) => prepareTarget(deps, id),
    unpackArchive: (ref: RetrievalRef) => unpackArchive(deps, ref),
    waitForTargetRoom: (ref: RetrievalRef, lack: TargetShortage) => waitForTargetRoom(deps, ref, lack),
    finishRetrieval: (id: string) => finishRetrieval(deps, id),
  };
}

/**
 * The same for the queue of all archive workers, where sets asked for them before hosts had queues: what is left of
 * those waits for the host that has the sources.
 */
export function formerSourceActivities(deps: Deps, host: { name: string; home: number }) {
  if (host.home === 1) return sourceActivities(deps);
  const elsewhere = async (): Promise<never> => {
    throw new TapeflowFailure('OtherHost', english`Host ${host.name} does not have these sources.`, {
      kind: 'transient',
    });
  };
  const names = Object.keys(sourceActivities(deps)) as (keyof SourceActivities)[];
  return Object.fromEntries(names.map((name) => [name, elsewhere]));
}

/** Activities of a host's queue of compressions: as many at once as `PARALLEL_GROUPS`. */
export function compressActivities(deps: Deps) {
  return { compressGroup: (ref: GroupRef) => compressGroup(deps, ref) };
}

/** Activities of a drive's own queue: one at a time. */
export function driveActivities(deps: DriveDeps) {
  return {
    writeToTape: (ref: CopyRef, wanted?: string, because?: string) => writeToTape(deps, ref, wanted, because),
    compressToTape: (ref: GroupRef, wanted?: string) => compressToTape(deps, ref, wanted),
    syncTape: (setId: string, tape: string, groups: number[], copyNo?: number) =>
      syncTape(deps, setId, tape, groups, copyNo),
    markEnd: (setId: string, copyNo: number) => markEnd(deps, setId, copyNo),
    readArchive: (ref: RetrievalRef) => readArchive(deps, ref),
    fetchForTarget: (ref: RetrievalRef) => fetchForTarget(deps, ref),
    fetchArchive: (ref: RetrievalRef) => fetchArchive(deps, ref),
    storeArchive: (ref: RetrievalRef, wanted?: string) => storeArchive(deps, ref, wanted),
    syncCopies: (id: string, tape: string, nos: number[]) => syncCopies(deps, id, tape, nos),
    // The catalog cannot tell whether these three are done: they act on whatever is in the drive.
    labelLoadedTape: (request: LabelRequest) => once(deps, () => labelLoadedTape(deps, request)),
    readLoadedTape: (request: { adopt: boolean }) => once(deps, () => readLoadedTape(deps, request)),
    eraseLoadedTape: (wish: EraseRequest) => once(deps, () => eraseLoadedTape(deps, wish)),
  };
}

/**
 * Activities of the drive host's ordinary queue: they only check the drive or staging and never hold the drive's slot.
 */
export function driveHostActivities(deps: DriveDeps) {
  return {
    waitForFinal: (ref: GroupRef) => waitForFinal(deps, ref),
    watchTape: (wish: TapeWatchRequest) => watchTape(deps, wish),
    watchForRetrieval: (ref: RetrievalRef, lack?: TargetShortage, search?: TapeSearch) =>
      watchForRetrieval(deps, ref, lack, search),
    watchForCopy: (ref: RetrievalRef, wanted?: string, search?: TapeSearch) =>
      watchForCopy(deps, ref, wanted, search),
    waitForCopyRoom: (ref: RetrievalRef) => waitForCopyRoom(deps, ref),
    finishRetrieval: (id: string) => finishInDrive(deps, id),
  };
}

export type ArchiveActivities = ReturnType<typeof archiveActivities>;
export type SourceActivities = ReturnType<typeof sourceActivities>;
export type TargetActivities = ReturnType<typeof targetActivities>;
export type CompressActivities = ReturnType<typeof compressActivities>;
export type DriveActivities = ReturnType<typeof driveActivities>;
export type DriveHostActivities = ReturnType<typeof driveHostActivities>;
