import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { countedText } from '../sets/counted-text.js';
import type { TapeContent, TapeRetention } from './tape-retention.js';

/** Throws `TapeInUse` or `TapeNeeded`, naming what needs the tape, when it must not be erased. */
export function requireErasable(kept: TapeRetention, evenUnexpired: boolean, now: number): void {
  const { name, state } = kept.tape;
  if (state === 'foreign') throw foreignTape(name);
  if (state === 'lost') {
    throw new TapeflowFailure('LostTape', english`The tape ${name} is marked as lost.`, {
      advice: english`If it is back, say so first: \`tapeflow tape found ${name}\`.`,
    });
  }
  if (kept.inUse.length > 0) {
    const users = kept.inUse.slice(0, 3).reduce((before, after) => english`${before}; ${after}`);
    throw new TapeflowFailure('TapeInUse', english`The tape ${name} cannot be erased: ${users}.`, {
      advice: english`Let it end, or cancel it.`,
    });
  }
  if (kept.until <= now || evenUnexpired) return;
  const needed = kept.sets.filter((set) => set.neededUntil > now);
  const shown = needed.slice(0, 3).map((set) => whyNeeded(set, now));
  throw new TapeflowFailure(
    'TapeNeeded',
    needed.length > shown.length
      ? english`The tape ${name} is not recyclable: it holds ${shown.join(', ')}, and
          ${needed.length - shown.length} more.`
      : english`The tape ${name} is not recyclable: it holds ${shown.join(', ')}.`,
    {
      advice: english`If all that may be lost, \`tapeflow tape erase ${name} --yes --even-unexpired\` erases it.`,
    },
  );
}

/** A tape labelled by another installation is never erased. */
export function foreignTape(name: string): TapeflowFailure {
  return new TapeflowFailure(
    'ForeignTape',
    english`The tape ${name} belongs to another installation: it is read, and never written to or erased.`,
    {
      advice: english`If that installation is gone, \`tapeflow tape catalog --adopt\` makes the tape one of this.`,
    },
  );
}

function whyNeeded(content: TapeContent, now: number): string {
  const { setId, expires, countedReasons, neededBy, perhapsNeededBy } = content;
  if (expires > now && countedReasons.length > 0)
    return english`set ${setId}, which is kept (${countedText(countedReasons)})`;
  if (expires > now) return english`set ${setId}, which has not expired`;
  const certain = neededBy.filter((id) => !perhapsNeededBy.includes(id)).slice(0, 3);
  if (certain.length > 0)
    return certain.length === 1
      ? english`set ${setId}, on which ${certain[0] ?? ''} builds`
      : english`set ${setId}, on which ${certain.join(', ')} build`;
  const some = perhapsNeededBy.slice(0, 3).join(', ');
  return english`set ${setId}, on which ${some} may build (the tapes of what it builds on are not all read)`;
}
