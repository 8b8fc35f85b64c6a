import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { forgetDirect } from '../../../operations/tapes/distrust-tape.js';
import {
  markTapeFound,
  heldOnlyBy,
  markTapeLost,
  type LostGroups,
} from '../../../catalog/tapes/lost-tapes.js';
import { createLogger } from '../../../config/logger.js';
import { usageFailure } from '../../../config/failures.js';
import { formatRanges } from '../../../config/number-ranges.js';
import { formatCount } from '../../../config/counts.js';
import { inSession, type Session } from '../../session.js';
import { tapeAdvice } from '../../print/tape-advice.js';
import { namedTape } from './named-tape.js';

/** `tape lost NAME`, `tape found NAME`: marks a cartridge as lost, or as found again. */
export function addTapeLost(tape: Command): void {
  tape
    .command('lost')
    .description('mark a tape as lost (burnt, broken or gone): what is on it no longer counts')
    .argument('<tape>', 'the tape')
    .option('--yes', 'do it, instead of only saying what would be lost')
    .action((name: string, { yes }: { yes?: true }, command: Command) =>
      inSession(command, (session) => lost(session, name, yes === true)),
    );
  tape
    .command('found')
    .description('a tape that was marked as lost is back')
    .argument('<tape>', 'the tape')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => found(session, name)),
    );
}

/** Says what marking a tape as lost would leave, or does it. */
export async function lost(session: Session, name: string, yes: boolean): Promise<void> {
  const catalog = await session.catalog();
  const tape = await namedTape(session, name);
  if (tape.state === 'lost')
    throw usageFailure('LostAlready', english`The tape ${name} is marked as lost already.`);
  const gone = await heldOnlyBy(catalog, tape);
  if (!yes) {
    if (session.json) session.emit({ name, state: tape.state, lost: gone });
    else
      session.print(
        gone.length === 0
          ? t`Marking the tape ${name} as lost would leave every set restorable:
              other tapes hold copies of all that is on it.`
          : t`Marking the tape ${name} as lost would leave no copy of ${groupsText(gone)}.`,
      );
    session.say(t`Nothing was changed: \`tapeflow tape lost ${name} --yes\` does it.`);
    return;
  }
  // Running sets write its unsynced copies again.
  const logger = createLogger(session.settings, 'client');
  await forgetDirect({ catalog, logger }, await markTapeLost(catalog, tape), english`the tape is lost`);
  if (session.json) session.emit({ name, state: 'lost', lost: gone });
  else
    session.print(
      gone.length === 0
        ? t`The tape ${name} is marked as lost, which leaves every set restorable:
            other tapes hold copies of all that is on it.`
        : t`The tape ${name} is marked as lost, which leaves no copy of ${groupsText(gone)}.`,
    );
}

function groupsText(gone: readonly LostGroups[]): string {
  const sets = gone.map(({ setId, groups }) =>
    groups.length === 1
      ? t`group ${formatRanges(groups)} of set ${setId}`
      : t`groups ${formatRanges(groups)} of set ${setId}`,
  );
  return `${sets.slice(0, 10).join(', ')}${sets.length > 10 ? ', …' : ''}`;
}

/** Marks a tape as found again. */
export async function found(session: Session, name: string): Promise<void> {
  const tape = await namedTape(session, name);
  if (tape.state !== 'lost') throw usageFailure('NotLost', english`The tape ${name} is not marked as lost.`);
  const back = await markTapeFound(await session.catalog(), tape);
  const { state } = back.tape;
  if (session.json) {
    session.emit({ name, state, archives: back.archives });
    return;
  }
  session.print(
    t`The tape ${name} counts again, with ${formatCount(back.archives, 'archive')} on it;
      \`tapeflow verify ${name}\` looks at ${back.archives === 1 ? 'it' : 'them'}.`,
  );
  if (state === 'usable' || state === 'full') return;
  session.print(t`  It is ${state}, as it was before: ${back.tape.reason ?? ''}. ${tapeAdvice(back.tape)}`);
}
