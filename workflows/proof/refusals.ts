import { ApplicationFailure } from '@temporalio/common';
import { proxySinks, type Sinks } from '@temporalio/workflow';
import type { RefusedKind } from '../../catalog/server/refusals.js';
import { noProof } from '../../proof/message-proof.js';

/** How workflows report refused messages to their worker. */
export interface RefusalSinks extends Sinks {
  refusals: { note(kind: RefusedKind, what: string): void };
}

const { refusals } = proxySinks<RefusalSinks>();

/** Reports a refused message to the operator. */
export function noteRefusal(kind: RefusedKind, what: string): void {
  refusals.note(kind, what);
}

/** Refuses a message; reports it to the operator and to its sender. */
export function refused(kind: RefusedKind, what: string, why = 'has no proof'): ApplicationFailure {
  noteRefusal(kind, what);
  return ApplicationFailure.nonRetryable(
    `${what} ${why} that it comes from this installation, whose commands ` +
      `and workers have the same message.key in their data folder.`,
    noProof,
  );
}
