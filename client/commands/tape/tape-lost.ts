import type { Command } from 'commander';
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
  if (tape.state === 'lost') throw usageFailure('LostAlready', `The tape ${name} is marked as lost already.`);
  const gone = await heldOnlyBy(catalog, tape);
  if (!yes) {
    if (session.json) session.emit({ name, state: tape.state, lost: gone });
    else session.print(`Marking the tape ${name} as lost ${textOf(gone, 'would leave')}.`);
    session.say(`Nothing was changed: \`tapeflow tape lost ${name} --yes\` does it.`);
    return;
  }
  // Running sets write its unsynced copies again.
  const logger = createLogger(session.settings, 'client');
  await forgetDirect({ catalog, logger }, await markTapeLost(catalog, tape), 'the tape is lost');
  if (session.json) session.emit({ name, state: 'lost', lost: gone });
  else session.print(`The tape ${name} is marked as lost, which ${textOf(gone, 'leaves')}.`);
}

function textOf(gone: readonly LostGroups[], verb: string): string {
  if (gone.length === 0) return `${verb} every set restorable: other tapes hold copies of all that is on it`;
  const sets = gone.map(
    ({ setId, groups }) =>
      `${groups.length === 1 ? 'group' : 'groups'} ${formatRanges(groups)} of set ${setId}`,
  );
  return `${verb} no copy of ${sets.slice(0, 10).join(', ')}${sets.length > 10 ? ', …' : ''}`;
}

/** Marks a tape as found again. */
export async function found(session: Session, name: string): Promise<void> {
  const tape = await namedTape(session, name);
  if (tape.state !== 'lost') throw usageFailure('NotLost', `The tape ${name} is not marked as lost.`);
  const back = await markTapeFound(await session.catalog(), tape);
  const { state } = back.tape;
  if (session.json) {
    session.emit({ name, state, archives: back.archives });
    return;
  }
  session.print(
    `The tape ${name} counts again, with ${formatCount(back.archives, 'archive')} on it; ` +
      `\`tapeflow verify ${name}\` looks at ${back.archives === 1 ? 'it' : 'them'}.`,
  );
  if (state === 'usable' || state === 'full') return;
  session.print(`  It is ${state}, as it was before: ${back.tape.reason ?? ''}. ${tapeAdvice(back.tape)}`);
}
