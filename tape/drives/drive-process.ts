// The process that `queryDrive` forks: it queries a drive that may never answer, so that no other process hangs.
import { systemErrorCode, TapeflowFailure, describeError } from '../../config/failures.js';
import type { DriveSettings } from '../../config/settings/settings.js';
import { openDrive } from './open-drive.js';

/** The calls on a drive that this process can make. */
export type DriveCall = 'medium' | 'label' | 'sizeOf' | 'names' | 'space' | 'writeProtection';

export interface Question {
  id: number;
  settings: DriveSettings;
  look: DriveCall;
  args: string[];
}

/** An answer, or a failure in a form that another process can rethrow. */
export interface Answer {
  id: number;
  value?: unknown;
  failure?: Pick<TapeflowFailure, 'code' | 'message' | 'kind' | 'advice' | 'details'>;
  error?: { message: string; code: string | undefined };
}

async function answer({ id, settings, look, args }: Question): Promise<Answer> {
  const drive = openDrive(settings);
  try {
    const ask = drive[look] as (...given: string[]) => Promise<unknown>;
    return { id, value: await ask.apply(drive, args) };
  } catch (error) {
    if (error instanceof TapeflowFailure) {
      const { code, message, kind, advice, details } = error;
      return { id, failure: { code, message, kind, advice, details } };
    }
    const message = error instanceof Error ? error.message : describeError(error);
    return { id, error: { message, code: systemErrorCode(error) } };
  }
}

process.on('message', (question: Question) => {
  void answer(question).then((reply) => process.send?.(reply, undefined, undefined, () => undefined));
});
process.on('disconnect', () => process.exit());
