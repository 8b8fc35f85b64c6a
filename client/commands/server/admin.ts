import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { formatDuration, parseDuration } from '../../../config/durations.js';
import { usageFailure } from '../../../config/failures.js';
import { ownServer, usesOwnServer } from '../../../workers/server/own-server.js';
import { inSession, type Session } from '../../session.js';
import { openConnection } from '../../server.js';

/** `admin setup`: what a Temporal server of your own needs before its first set. */
export function addAdmin(program: Command): void {
  const admin = program.command('admin').description('prepare a Temporal server of your own');
  admin
    .command('setup')
    .description('make the namespace and the search attributes that are missing there; may be repeated')
    .option(
      '--retention <time>',
      'how long the namespace keeps what has ended, such as 30d (default: 30d for a new one)',
    )
    .action((flags: { retention?: string }, command: Command) =>
      inSession(command, (session) => setUp(session, flags.retention)),
    );
}

/** Opens no catalog: whoever administers a server need not have one. */
async function setUp(session: Session, given: string | undefined): Promise<void> {
  const { settings } = session;
  const retention = given === undefined ? undefined : retentionFrom(given);
  if (!usesOwnServer(settings))
    throw usageFailure(
      'NoOwnServer',
      english`\`admin setup\` prepares a Temporal server of your own, and the settings name none.`,
      english`Set TEMPORAL_ADDRESS or TEMPORAL_PROFILE; the embedded server needs no preparation.`,
    );
  const target = ownServer(settings, process.env);
  const connection = await openConnection(target);
  try {
    const { setUpServer } = await import('../../../workers/server/set-up-server.js');
    const { namespace, attributes } = await setUpServer(connection, target, retention);
    if (session.json) {
      session.emit({ address: target.address, namespace, attributes });
      return;
    }
    const { name, retentionSeconds, outcome } = namespace;
    const time = formatDuration(retentionSeconds);
    session.print(
      {
        made: t`Namespace ${name}: made; it keeps what has ended for ${time}.`,
        changed: t`Namespace ${name}: was there; it keeps what has ended for ${time} from now on.`,
        there: t`Namespace ${name}: was there; it keeps what has ended for ${time}.`,
      }[outcome],
    );
    for (const { name, type, outcome } of attributes)
      session.print(
        outcome === 'added'
          ? t`Search attribute ${name} (${type}): added.`
          : t`Search attribute ${name} (${type}): was there.`,
      );
    session.print(t`The Temporal server at ${target.address} is ready.`);
  } finally {
    await connection.close();
  }
}

function retentionFrom(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds > 0) return seconds;
  throw usageFailure(
    'WrongRetention',
    english`--retention ${text} is no time.`,
    english`Write it as 30d or 12w.`,
  );
}
