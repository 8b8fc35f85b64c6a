import { ApplicationFailure } from '@temporalio/activity';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { SideError, type Side } from '../config/sides.js';
import { english } from '../messages/sentence.js';

const typeOfSide: Record<Side, string> = {
  source: 'SourceFailed',
  staging: 'StagingFailed',
  tape: 'TapeFailed',
  target: 'TargetFailed',
  catalog: 'DataFolderFailed',
};

const nameOfSide: Record<Side, string> = {
  source: english`the source`,
  staging: english`staging`,
  tape: english`the tape`,
  target: english`the target`,
  catalog: english`the data folder`,
};

/** The ApplicationFailure for any error; its message is a sentence without a stack. */
export function toApplicationFailure(error: unknown): unknown {
  if (error instanceof TapeflowFailure) {
    return ApplicationFailure.create({
      type: error.code,
      message: error.sentence,
      nonRetryable: error.kind !== 'transient',
      details: [error.details],
    });
  }
  if (error instanceof SideError) {
    const side = nameOfSide[error.side];
    const why = describeError(error);
    return ApplicationFailure.create({
      type: typeOfSide[error.side],
      message:
        error.path === undefined
          ? english`An error of ${side}: ${why}.`
          : english`An error of ${side} at ${error.path}: ${why}.`,
      nonRetryable: false,
    });
  }
  const code = systemErrorCode(error);
  if (error instanceof Error && code !== undefined && error.name !== 'ApplicationFailure') {
    const where = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
    return ApplicationFailure.create({
      type: code,
      message: `${where}${describeError(error)}`,
      nonRetryable: false,
    });
  }
  return error;
}
