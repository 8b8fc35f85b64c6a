import { defineQuery, defineUpdate } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { CopyPlace } from '../catalog/sets/set-copies.js';
import type { SetOptions } from '../operations/sets/set-options.js';
import { searchList, searchText } from './server-limits.js';

export interface BackupSetInput {
  setId: string;
  pool: string;
  drive: string;
  /** Where each copy goes, if there are several; the first has the pool and drive above. */
  places?: CopyPlace[];
  options: SetOptions;
  /** Groups up to this number are done or parked; carried on when the workflow continues as new. */
  cursor: number;
  /** True once every source was walked. */
  scanned: boolean;
  /** Take parked groups up again first. */
  retry: boolean;
  paused: boolean;
}

/** What a set is doing now. Bytes are bytes. */
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
  /** Groups between the start of their compression and the drive's queue. */
  staging: number[];
  /** Groups that wait for the drive, in the order of writing. */
  ready: number[];
  writing: number | null;
  /** Written, but no index sync has covered them yet. */
  unsynced: number[];
  stagedBytes: number;
  historyLength: number;
}

export const progressQuery = defineQuery<SetProgress>('progress');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
/** `discard`: delete what is staged too. */
export const cancelUpdate = defineUpdate<void, [{ discard: boolean }]>('cancel');
/** Puts the failed groups back into the queue; returns how many. */
export const retryFailedUpdate = defineUpdate<number>('retryFailed');
/** A person says that a tape was loaded: look at once. */
export const tapeLoadedUpdate = defineUpdate<void>('tapeLoaded');

/** Ends a restore, a verify or a copy; what it has done stays. */
export const cancelRetrievalUpdate = defineUpdate<void>('cancel');

/** Search attributes of a set; the embedded server knows them, an own one is told at the first `backup`. */
export const searchAttributes = {
  set: defineSearchAttributeKey('TapeflowSet', SearchAttributeType.KEYWORD),
  source: defineSearchAttributeKey('TapeflowSource', SearchAttributeType.KEYWORD_LIST),
  pool: defineSearchAttributeKey('TapeflowPool', SearchAttributeType.KEYWORD),
  drive: defineSearchAttributeKey('TapeflowDrive', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('TapeflowPhase', SearchAttributeType.KEYWORD),
  installation: defineSearchAttributeKey('TapeflowInstallation', SearchAttributeType.KEYWORD),
} as const;

/** The search attributes with which a set's workflow begins, whoever starts it. */
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

/** Workflow id of a set of an installation, by its short id. */
export function backupWorkflowId(setId: string, installation: string): string {
  return `backup-${setId}-${installation}`;
}

/** Workflow id of a restore, a verify or a copy. */
export function retrievalWorkflowId(id: string, installation: string): string {
  return `${id}-${installation}`;
}
