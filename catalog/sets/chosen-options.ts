import type { IgnoredSigns } from './ignored-signs.js';

/** What a set is asked to do besides its settings, kept with these. */
export interface ChosenOptions extends IgnoredSigns {
  /** Every copy is read back and compared at its end. */
  verify?: boolean | undefined;
}

/** True for a set whose copies are read back at its end, from the settings that it runs with. */
export function isVerifiedAtEnd(options: unknown): boolean {
  return ((options ?? {}) as { verify?: unknown }).verify === true;
}
