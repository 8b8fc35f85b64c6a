import type { Settings } from '../../config/settings/settings.js';
import { english } from '../../messages/sentence.js';
import { askedAt, type Asked } from '../asked.js';

/** The target of a restore, which may be a network share that answers no more. */
export function askedTarget({ DRIVE_ANSWER_SECONDS: seconds }: Settings, id: string): Asked {
  return askedAt(`target of ${id}`, english`the target of ${id}, or staging,`, seconds * 1000);
}
