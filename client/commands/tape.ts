import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { distrust } from '../../activities/on-medium.js';
import { installationId } from '../../catalog/open-catalog.js';
import { archivesOnTapes } from '../../catalog/lost-tapes.js';
import { listTapes, tapeByName, updateTape, type TapeRow } from '../../catalog/tapes.js';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import { createLogger } from '../../config/logger.js';
import { driveNamed } from '../../config/settings.js';
import { formatBytes } from '../../config/sizes.js';
import { lockDrive } from '../../tape/drive-lock.js';
import { openDrive } from '../../tape/drive.js';
import { labelTape, type LabelRequest } from '../../tape/label-tape.js';
import { identifyTape } from '../../tape/loaded-tape.js';
import { archiveQueue } from '../../workflows/queues.js';
import { exitCodes } from '../exit-codes.js';
import { findServer, inSession, type Server, type Session } from '../session.js';
import { formatTime, tableLines } from '../table.js';
import { addTapeCatalog } from './tape-catalog.js';
import { addTapeCopy } from './tape-copy.js';
import { addTapeLost } from './tape-lost.js';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** `tape label|list|status|catalog|trust|distrust`. */
export function addTape(program: Command): void {
  const tape = program.command('tape').description('label and list tapes');
  tape
    .command('label')
    .description('label the tape in a drive; erases nothing')
    .argument('<name>', 'name of the tape, as on its sticker')
    .option('--pool <name>', 'pool it belongs to (default: TAPE_POOL)')
    .option('--drive <name>', 'the drive it is in', 'lto1')
    .option('--force', 'label a tape that is not empty or has another label; nothing on it is erased')
    .action((name: string, flags: LabelFlags, command: Command) =>
      inSession(command, (session) => label(session, name, flags)),
    );
  tape
    .command('list')
    .description('list the tapes that the catalog knows')
    .action((_options, command: Command) => inSession(command, list));
  tape
    .command('status')
    .description('look which tape is in a drive')
    .option('--drive <name>', 'the drive', 'lto1')
    .action(({ drive }: { drive: string }, command: Command) =>
      inSession(command, (session) => status(session, drive)),
    );
  addTapeCatalog(tape);
  addTapeCopy(tape);
  addTapeLost(tape);
  tape
    .command('trust')
    .description('use a tape again that was marked as suspect or full')
    .argument('<name>', 'the tape')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => trust(session, name)),
    );
  tape
    .command('distrust')
    .description('write what no index sync has covered on a tape again elsewhere, and write to it no more')
    .argument('<name>', 'the tape')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => distrustTape(session, name)),
    );
}

interface LabelFlags {
  pool?: string;
  drive: string;
  force?: boolean;
}

async function label(session: Session, name: string, flags: LabelFlags): Promise<void> {
  const { settings } = session;
  const pool = flags.pool ?? settings.TAPE_POOL;
  for (const [what, text] of [
    ['tape', name],
    ['pool', pool],
  ] as const) {
    if (!namePattern.test(text)) {
      throw usageFailure(
        'WrongName',
        `${JSON.stringify(text)} is no ${what} name.`,
        'Use letters, digits, dots, dashes and underscores.',
      );
    }
  }
  const driveSettings = driveNamed(settings, flags.drive);
  const request: LabelRequest = { name, pool, force: flags.force === true };
  await labelHere(session, driveSettings.name, request);
  const row = await tapeByName(await session.catalog(), name);
  if (session.json) session.emit(tapeObject(row as TapeRow));
  else session.print(`The tape in drive ${driveSettings.name} is labelled ${name}, pool ${pool}.`);
}

/** By this process if the drive is free; else by the worker that has it, in its slot. */
async function labelHere(session: Session, driveName: string, request: LabelRequest): Promise<void> {
  const catalog = await session.catalog();
  const driveSettings = driveNamed(session.settings, driveName);
  let lock: ReturnType<typeof lockDrive>;
  try {
    lock = lockDrive(session.settings, driveSettings, 'tape label');
  } catch (error) {
    const server =
      error instanceof TapeflowFailure && error.code === 'DriveBusy' ? await findServer(session) : undefined;
    if (server === undefined) throw error;
    try {
      await labelThroughWorker(server, driveName, request);
    } finally {
      await server.close();
    }
    return;
  }
  try {
    await labelTape(openDrive(driveSettings), lock, catalog, request);
  } finally {
    lock.release();
  }
}

async function labelThroughWorker(server: Server, drive: string, request: LabelRequest): Promise<void> {
  try {
    await server.client.workflow.execute('labelLoadedTape', {
      workflowId: `label-${request.name}-${randomUUID().slice(0, 8)}`,
      taskQueue: archiveQueue,
      args: [drive, request],
      staticSummary: `label the tape in drive ${drive} as ${request.name}`,
    });
  } catch (error) {
    let cause: unknown = error;
    while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
    throw new TapeflowFailure('LabelRefused', describeError(cause), { cause: error });
  }
}

async function list(session: Session): Promise<void> {
  const tapes = await listTapes(await session.catalog());
  const on = await archivesOnTapes(await session.catalog());
  const held = ({ uuid }: TapeRow) => on.get(uuid) ?? { archives: 0, damaged: 0 };
  if (session.json) {
    for (const row of tapes) session.emit({ ...tapeObject(row), ...held(row) });
    return;
  }
  if (tapes.length === 0) {
    session.print(
      'There are no tapes yet: `tapeflow tape label NAME --pool POOL` labels the one in the drive.',
    );
    return;
  }
  const rows = tapes.map((row) => [
    row.name,
    row.pool,
    row.state,
    formatBytes(row.free),
    formatBytes(row.capacity),
    `${held(row).archives}${held(row).damaged > 0 ? ` (${held(row).damaged} damaged)` : ''}`,
    formatTime(row.seen_at),
    row.reason ?? '',
  ]);
  for (const line of tableLines([
    ['TAPE', 'POOL', 'STATE', 'FREE', 'CAPACITY', 'ARCHIVES', 'LAST SEEN', ''],
    ...rows,
  ]))
    session.print(line);
}

export function tapeObject(row: TapeRow): object {
  const { uuid, name, pool, state, reason, volume, capacity, free } = row;
  return {
    uuid,
    name,
    pool,
    state,
    reason,
    volume,
    capacity,
    free,
    lastSeen: new Date(row.seen_at).toISOString(),
  };
}

async function status(session: Session, driveName: string): Promise<void> {
  const catalog = await session.catalog();
  await installationId(catalog);
  const drive = openDrive(driveNamed(session.settings, driveName));
  try {
    const loaded = await identifyTape(drive, catalog);
    const protection = await drive.writeProtection();
    if (session.json) {
      session.emit({
        drive: driveName,
        path: drive.settings.path,
        ...tapeObject(loaded.row),
        writeProtection: protection ?? null,
      });
      return;
    }
    const { row, space } = loaded;
    session.print(
      `Drive ${driveName} (${drive.settings.kind}, ${drive.settings.path}): tape ${row.name}, pool ${row.pool}, ${row.state}`,
    );
    session.print(
      `  ${formatBytes(space.free)} of ${formatBytes(space.capacity)} free${protection === undefined ? '' : `; cannot be written: ${protection}`}`,
    );
    if (row.reason !== null) session.print(`  ${row.reason}`);
    if (row.state !== 'usable' || protection !== undefined) session.print(`  → ${tapeAdvice(row)}`);
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    if (!session.json)
      throw new TapeflowFailure(
        error.code,
        error.message,
        error.advice === undefined ? {} : { advice: error.advice },
      );
    session.emit({
      drive: driveName,
      path: drive.settings.path,
      trouble: error.sentence,
      reason: error.details['reason'] ?? null,
    });
    process.exitCode = exitCodes.failure;
  }
}

/** What to do with a tape that takes no writes. */
export function tapeAdvice({ name, pool, state }: TapeRow): string {
  const another = `Load another tape of pool ${pool}`;
  if (state === 'suspect') return `${another}, or, after a check, \`tapeflow tape trust ${name}\`.`;
  if (state === 'lost') return `${another}, or, if it is back, \`tapeflow tape found ${name}\`.`;
  if (state === 'full' || state === 'foreign') return `${another}.`;
  return `Open its write protection and mount it again, or load another tape of pool ${pool}.`;
}

async function namedTape(session: Session, name: string): Promise<TapeRow> {
  const row = await tapeByName(await session.catalog(), name);
  if (row !== undefined) return row;
  throw usageFailure('NoSuchTape', `The catalog knows no tape ${name}.`, '`tapeflow tape list` shows them.');
}

/** What another installation has labelled stays as it is: its free space is not ours. */
async function ownTape(session: Session, name: string): Promise<TapeRow> {
  const row = await namedTape(session, name);
  if (row.state !== 'foreign') return row;
  throw usageFailure(
    'ForeignTape',
    `The tape ${name} belongs to another installation: it is read, and never written to.`,
  );
}

async function trust(session: Session, name: string): Promise<void> {
  const row = await ownTape(session, name);
  if (row.state === 'lost')
    throw usageFailure('LostTape', `The tape ${name} is marked as lost.`, `\`tapeflow tape found ${name}\`.`);
  await updateTape(await session.catalog(), row.uuid, { state: 'usable', reason: null });
  if (!session.json) session.print(`The tape ${name} is used again.`);
  else session.emit(tapeObject(await namedTape(session, name)));
}

async function distrustTape(session: Session, name: string): Promise<void> {
  const row = await ownTape(session, name);
  const logger = createLogger(session.settings, 'client');
  await distrust({ catalog: await session.catalog(), logger }, { row }, 'distrusted by a command');
  if (!session.json)
    session.print(
      `The tape ${name} takes no more writes; what was not synced on it is written again to another tape.`,
    );
  else session.emit(tapeObject(await namedTape(session, name)));
}
