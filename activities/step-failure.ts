import { ApplicationFailure } from '@temporalio/activity';
import { TapeflowFailure, describeError, systemErrorCode } from '../config/failures.js';
import { SideError, type Side } from '../config/sides.js';

const typeOfSide: Record<Side, string> = {
  source: 'SourceFailed',
  staging: 'StagingFailed',
  tape: 'TapeFailed',
  target: 'TargetFailed',
  catalog: 'DataFolderFailed',
};

const nameOfSide: Record<Side, string> = {
  source: 'the source',
  staging: 'staging',
  tape: 'the tape',
  target: 'the target',
  catalog: 'the data folder',
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
    const where = error.path === undefined ? '' : ` at ${error.path}`;
    return ApplicationFailure.create({
      type: typeOfSide[error.side],
      message: `An error of ${nameOfSide[error.side]}${where}: ${describeError(error)}.`,
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
