import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';
import { distrust } from '../../../operations/tapes/distrust-tape.js';
import type { TapeRow } from '../../../catalog/rows.js';
import { usageFailure } from '../../../config/failures.js';
import { createLogger } from '../../../config/logger.js';
import { trustTape } from '../../../operations/tapes/trust-tape.js';
import { inSession, type Session } from '../../session.js';
import { tapeAdvice } from '../../print/tape-advice.js';
import { namedTape, tapeObject } from './named-tape.js';

/** `tape trust NAME`, `tape distrust NAME`: marks a tape as good or bad at the user's request. */
export function addTapeTrust(tape: Command): void {
  tape
    .command('trust')
    .description('use a tape again that was marked as suspect or full')
    .argument('<tape>', 'the tape')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => trust(session, name)),
    );
  tape
    .command('distrust')
    .description('write the unsynced archives of a tape again elsewhere, and write nothing more to it')
    .argument('<tape>', 'the tape')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => distrustTape(session, name)),
    );
}

/** The named tape, if it may be trusted or distrusted: not a tape of another installation, nor one being erased. */
async function ownTape(session: Session, name: string): Promise<TapeRow> {
  const row = await namedTape(session, name);
  if (row.state === 'erasing')
    throw usageFailure('TapeErasing', english`The erasing of tape ${name} has begun.`, tapeAdvice(row));
  if (row.state !== 'foreign') return row;
  throw usageFailure(
    'ForeignTape',
    english`The tape ${name} belongs to another installation: it is read, and never written to.`,
  );
}

/** Uses a tape again. */
export async function trust(session: Session, name: string): Promise<void> {
  const row = await ownTape(session, name);
  if (row.state === 'lost')
    throw usageFailure(
      'LostTape',
      english`The tape ${name} is marked as lost.`,
      english`If it is back, say so first: \`tapeflow tape found ${name}\`.`,
    );
  const reminders = await trustTape(await session.catalog(), session.settings, row);
  if (session.json) {
    session.emit({ ...tapeObject(await namedTape(session, name)), reminders });
    return;
  }
  session.print(t`The tape ${name} is used again.`);
  for (const reminder of reminders) session.print(`  ${shown(reminder)}`);
}

/** Writes nothing more to a tape, and what was not synced on it again elsewhere. */
export async function distrustTape(session: Session, name: string): Promise<void> {
  const row = await ownTape(session, name);
  const logger = createLogger(session.settings, 'client');
  await distrust({ catalog: await session.catalog(), logger }, { row }, english`distrusted by a command`);
  if (!session.json)
    session.print(
      t`The tape ${name} takes no more writes; what was not synced on it is written again to another tape.`,
    );
  else session.emit(tapeObject(await namedTape(session, name)));
}
