import { ApplicationFailure } from '@temporalio/common';
import { proxySinks, type Sinks } from '@temporalio/workflow';
import type { RefusedKind } from '../../catalog/server/refusals.js';
import { noProof } from '../../proof/message-proof.js';

/** Where a worker hears of messages that its workflows have refused. */
export interface RefusalSinks extends Sinks {
  refusals: { note(kind: RefusedKind, what: string): void };
}

const { refusals } = proxySinks<RefusalSinks>();

/** Tells the operator of a message that is not obeyed. */
export function noteRefusal(kind: RefusedKind, what: string): void {
  refusals.note(kind, what);
}

/** Refuses a message: the operator is told, and whoever has sent it. */
export function refused(kind: RefusedKind, what: string, why = 'has no proof'): ApplicationFailure {
  noteRefusal(kind, what);
  return ApplicationFailure.nonRetryable(
    `${what} ${why} that it comes from this installation, whose commands and workers have the same message.key in their data folder.`,
    noProof,
  );
}
