import { english } from '../../messages/sentence.js';
import type { SetRow } from '../rows.js';

/** Whom the archives of a set are encrypted to; undefined: they are not encrypted. */
export function recipientsOf({ recipients }: Pick<SetRow, 'recipients'>): string[] | undefined {
  return recipients === null ? undefined : (JSON.parse(recipients) as string[]);
}

/** The recipients as a set keeps them: in one order, so that equal ones are equal. */
export function recipientsText(recipients: readonly string[] | undefined): string | null {
  return recipients === undefined ? null : JSON.stringify([...new Set(recipients)].sort());
}

/** `encrypted to 2 recipients`, or the recipient itself. */
export function recipientsShown(recipients: readonly string[]): string {
  return recipients.length === 1 ? (recipients[0] ?? '') : english`${recipients.length} recipients`;
}
