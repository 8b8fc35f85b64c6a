import { english } from '../../messages/sentence.js';
import type { TapeRow } from '../../catalog/rows.js';

/** Why a tape takes no writes. */
export interface WriteProtection {
  /** A part of a sentence, such as `its write protection is set`. */
  why: string;
  /** True when LTFS has given up the cartridge after a medium error: it is only read from then on. */
  forGood: boolean;
}

/** Part of the reason for a tape that became read-only without being locked; LTFS keeps it so until unmounted. */
export const untilRemounted = english`it takes writes again only after it was unmounted and mounted again`;

/** Why a tape is suspect after an error. */
export function writeErrorReason(what: 'write' | 'sync', why: string): string {
  return what === 'sync' ? english`its sync failed: ${why}` : english`a write on it failed: ${why}`;
}

/** True for a reason that `writeErrorReason` made. */
export function isWriteError(reason: string): boolean {
  return (['write', 'sync'] as const).some((what) => reason.startsWith(writeErrorReason(what, '')));
}

/** Advice for a cartridge that LTFS has made read-only for good, or that had a write error. */
export function copyOffAdvice({ name, pool }: Pick<TapeRow, 'name' | 'pool'>): string {
  return english`\`tapeflow tape copy ${name} --pool ${pool}\` copies off what it holds; then retire it.`;
}

/** Advice for one of our tapes that takes no writes. */
export function protectionAdvice(
  { forGood }: Pick<WriteProtection, 'forGood'>,
  tape: Pick<TapeRow, 'name' | 'pool'>,
): string {
  if (forGood) return `${english`Load another tape of pool ${tape.pool}.`} ${copyOffAdvice(tape)}`;
  return english`Open its write protection and mount it again, or load another tape of pool ${tape.pool}.`;
}
