import { TapeflowFailure } from '../../config/failures.js';
import { countedText } from '../sets/counted-text.js';
import type { TapeContent, TapeRetention } from './tape-retention.js';

/** Throws `TapeInUse` or `TapeNeeded`, naming what needs the tape, when it must not be erased. */
export function requireErasable(kept: TapeRetention, evenUnexpired: boolean, now: number): void {
  const { name, state } = kept.tape;
  if (state === 'foreign') throw foreignTape(name);
  if (state === 'lost') {
    throw new TapeflowFailure('LostTape', `The tape ${name} is marked as lost.`, {
      advice: `If it is back, say so first: \`tapeflow tape found ${name}\`.`,
    });
  }
  if (kept.inUse.length > 0) {
    throw new TapeflowFailure(
      'TapeInUse',
      `The tape ${name} cannot be erased: ${kept.inUse.slice(0, 3).join('; ')}.`,
      { advice: 'Let it end, or cancel it.' },
    );
  }
  if (kept.until <= now || evenUnexpired) return;
  const needed = kept.sets.filter((set) => set.neededUntil > now);
  const shown = needed.slice(0, 3).map((set) => whyNeeded(set, now));
  const more = needed.length > shown.length ? `, and ${needed.length - shown.length} more` : '';
  throw new TapeflowFailure(
    'TapeNeeded',
    `The tape ${name} is not recyclable: it holds ${shown.join(', ')}${more}.`,
    { advice: `If all that may be lost, \`tapeflow tape erase ${name} --yes --even-unexpired\` erases it.` },
  );
}

/** A tape labelled by another installation is never erased. */
export function foreignTape(name: string): TapeflowFailure {
  return new TapeflowFailure(
    'ForeignTape',
    `The tape ${name} belongs to another installation: it is read, and never written to or erased.`,
    { advice: 'If that installation is gone, `tapeflow tape catalog --adopt` makes the tape one of this.' },
  );
}

function whyNeeded(content: TapeContent, now: number): string {
  const { setId, expires, countedReasons, neededBy, perhapsNeededBy } = content;
  if (expires > now && countedReasons.length > 0)
    return `set ${setId}, which is kept (${countedText(countedReasons)})`;
  if (expires > now) return `set ${setId}, which has not expired`;
  const certain = neededBy.filter((id) => !perhapsNeededBy.includes(id)).slice(0, 3);
  if (certain.length > 0)
    return `set ${setId}, on which ${certain.join(', ')} ${certain.length === 1 ? 'builds' : 'build'}`;
  const some = perhapsNeededBy.slice(0, 3).join(', ');
  return `set ${setId}, on which ${some} may build (the tapes of what it builds on are not all read)`;
}
