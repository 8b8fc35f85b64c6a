import { defineQuery, defineUpdate } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { CopyPlace } from '../catalog/sets/copy-places.js';
import type { SetOptions } from '../operations/sets/set-options.js';
import { searchList, searchText } from './server-limits.js';

export interface BackupSetInput {
  setId: string;
  /** The host that has the sources; not given: the home of the installation. */
  host?: string;
  pool: string;
  drive: string;
  /** Where each copy goes, if there are several; the first one has the pool and drive above. */
  places?: CopyPlace[];
  options: SetOptions;
  /** Groups up to this number are done or parked; passed on when the workflow continues as new. */
  cursor: number;
  /** Given if the set has a hook, whose commands its host knows. */
  hook?: true;
  /** True once every source was walked. */
  scanned: boolean;
  /** Retry parked groups first. */
  retry: boolean;
  paused: boolean;
}

/** What a set is doing now. Sizes are in bytes. */
export interface SetProgress {
  phase:
    | 'scanning'
    | 'running'
    | 'waiting_for_tape'
    | 'waiting_for_drive'
    | 'short_of_staging'
    | 'paused'
    | 'draining'
    | 'finishing';
  /** Why it waits, when it does. */
  reason: string | null;
  cursor: number;
  /** Groups between the start of compression and the drive's queue. */
  staging: number[];
  /** Groups waiting for the drive, in writing order. */
  ready: number[];
  writing: number | null;
  /** Groups written but not yet covered by an index sync. */
  unsynced: number[];
  stagedBytes: number;
  historyLength: number;
}

export const progressQuery = defineQuery<SetProgress>('progress');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
/** `discard`: also delete what is staged. */
export const cancelUpdate = defineUpdate<void, [{ discard: boolean }]>('cancel');
/** Queues the failed groups again; returns how many. */
export const retryFailedUpdate = defineUpdate<number>('retryFailed');
/** A person has loaded a tape: check at once. */
export const tapeLoadedUpdate = defineUpdate<void>('tapeLoaded');

/** Cancels a restore, a verify or a copy; what it has done stays. */
export const cancelRetrievalUpdate = defineUpdate<void>('cancel');

/** Search attributes of a set; the embedded server knows them, your own server gets them at the first `backup`. */
export const searchAttributes = {
  set: defineSearchAttributeKey('TapeflowSet', SearchAttributeType.KEYWORD),
  source: defineSearchAttributeKey('TapeflowSource', SearchAttributeType.KEYWORD_LIST),
  pool: defineSearchAttributeKey('TapeflowPool', SearchAttributeType.KEYWORD),
  drive: defineSearchAttributeKey('TapeflowDrive', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('TapeflowPhase', SearchAttributeType.KEYWORD),
  installation: defineSearchAttributeKey('TapeflowInstallation', SearchAttributeType.KEYWORD),
} as const;

/** The initial search attributes of a set's workflow, whoever starts it. */
export function firstAttributes(set: {
  setId: string;
  sources: readonly string[];
  pool: string;
  drive: string;
  installation: string;
}) {
  return [
    { key: searchAttributes.set, value: searchText(set.setId) },
    { key: searchAttributes.source, value: searchList(set.sources) },
    { key: searchAttributes.pool, value: searchText(set.pool) },
    { key: searchAttributes.drive, value: searchText(set.drive) },
    { key: searchAttributes.phase, value: 'scanning' },
    { key: searchAttributes.installation, value: set.installation },
  ];
}
