import { t } from '../../messages/shown.js';
import type { Fact } from './message.js';
import { steady } from './run-facts.js';

/** A step that cannot go on until somebody or something else acts: on a full disk, a silent drive, a silent source. */
export interface HeldUp {
  /** The set, restore, verify or copy. */
  id: string;
  isSet: boolean;
  /** What it does, in words. */
  step: string;
  why: string;
}

/** The same for all steps of a set that are held up by the same, however long that lasts. */
export function heldUpKey({ id, why }: HeldUp): string {
  return `held up ${id} ${steady(why)}`;
}

/** What people are told of steps that are held up. */
export function heldUpFacts(heldUp: readonly HeldUp[]): Fact[] {
  return heldUp.map((one) => {
    const subject = one.isSet ? t`Set ${one.id}` : one.id;
    return {
      ...{ event: 'waiting', key: heldUpKey(one), subject },
      what: t`${subject} is held up, ${one.step}: ${one.why}.`,
      todo: t`It goes on by itself as soon as that is mended.`,
      command: `tapeflow status ${one.id}`,
    };
  });
}
