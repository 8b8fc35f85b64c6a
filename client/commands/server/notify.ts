import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { shortInstallationId } from '../../../catalog/installation.js';
import { listMessages } from '../../../catalog/notices/outbox.js';
import type { OutboxRow } from '../../../catalog/rows.js';
import type { ChannelSettings } from '../../../config/settings/channels.js';
import { describeError, usageFailure } from '../../../config/failures.js';
import { formatTime } from '../../../config/local-time.js';
import { send } from '../../../operations/notify/channels/send.js';
import type { Message } from '../../../operations/notify/message.js';
import { testMessage } from '../../../operations/notify/tell.js';
import { exitCodes } from '../../exit-codes.js';
import { printTable } from '../../print/print-table.js';
import { inReadOnlySession, inReadWriteSession, type Session } from '../../session.js';

/** Messages that `list` shows, unless it is told another number. */
const shownMessages = 50;

/** `notify test|list`: whether people can be told, and what they were told. */
export function addNotify(program: Command): void {
  const notify = program.command('notify');
  notify
    .command('test')
    .description('send a test message to each channel, or to one, and say what happened')
    .argument('[channel]', 'the channel, by its name in the configuration file')
    .action((channel: string | undefined, _options, command: Command) =>
      inReadWriteSession(command, (session) => test(session, channel)),
    );
  notify
    .command('list')
    .description('list what was sent, what waits, and what failed and why')
    .option('--limit <number>', 'so many messages, the newest', String(shownMessages))
    .action(({ limit }: { limit: string }, command: Command) =>
      inReadOnlySession(command, (session) => list(session, limit)),
    );
}

async function test(session: Session, name: string | undefined): Promise<void> {
  const { settings } = session;
  const channels = settings.channels.filter((channel) => name === undefined || channel.name === name);
  if (channels.length === 0) throw noChannel(settings.channels, name);
  const installation = await shortInstallationId(await session.catalog(), settings);
  const places = { env: process.env, homeDir: settings.homeDir };
  const teller = { installation, host: settings.TAPEFLOW_HOST };
  const results = await Promise.all(
    channels.map(async (channel) => {
      const { name, kind } = channel;
      try {
        await send(channel, places, testMessage(teller, name), new AbortController().signal);
        return { name, kind, sent: true, error: null };
      } catch (error) {
        return { name, kind, sent: false, error: describeError(error) };
      }
    }),
  );
  for (const result of results) {
    if (session.json) session.emit(result);
    else if (result.sent)
      session.print(t`ok       ${result.name} (${result.kind}): it has taken the message`);
    else session.print(t`FAILED   ${result.name} (${result.kind}): ${result.error ?? ''}`);
  }
  if (results.some(({ sent }) => !sent)) process.exitCode = exitCodes.failure;
}

function noChannel(channels: readonly ChannelSettings[], name: string | undefined) {
  const known = channels.map((channel) => channel.name).join(', ');
  return name === undefined || known === ''
    ? usageFailure(
        'NoChannels',
        english`No channel is configured.`,
        english`\`notify\` in tapeflow.config.json lists them; docs/operations.md, "Being told", has an example.`,
      )
    : usageFailure('NoSuchChannel', english`There is no channel ${name}; the channels are: ${known}.`);
}

async function list(session: Session, limit: string): Promise<void> {
  if (!/^[1-9]\d{0,5}$/.test(limit))
    throw usageFailure(
      'WrongLimit',
      english`--limit cannot be ${JSON.stringify(limit)}.`,
      english`It is a number from 1 on.`,
    );
  const rows = await listMessages(await session.catalog(), Number(limit));
  if (session.json) {
    for (const row of rows) session.emit(messageObject(row));
    return;
  }
  if (rows.length === 0) {
    session.print(
      session.settings.channels.length === 0
        ? t`No channel is configured, so nobody is told of anything.`
        : t`Nothing was to be told yet. \`tapeflow notify test\` sends a test message.`,
    );
    return;
  }
  const lines = rows.map((row) => [
    ...[formatTime(row.created_at), row.channel, row.event],
    ...[stateText(row), (JSON.parse(row.message) as Message).title],
  ]);
  await printTable(
    session,
    [[t`WRITTEN`, t`CHANNEL`, t`EVENT`, t`STATE`, t`MESSAGE`], ...lines],
    [t`EVENT`, t`WRITTEN`],
  );
}

function stateText({ state, attempts, next_at: next, ended_at: ended, error }: OutboxRow): string {
  if (state === 'sent') return t`sent ${formatTime(ended ?? 0)}`;
  if (state === 'given_up') return t`GIVEN UP: ${error ?? english`nobody has sent it`}`;
  return attempts === 0
    ? t`waits to be sent`
    : t`waits until ${formatTime(next)}: ${error ?? english`it is being sent`}`;
}

function messageObject(row: OutboxRow): object {
  const { id, channel, event, state, attempts, error } = row;
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    ...{
      id,
      channel,
      event,
      state,
      attempts,
      error,
      written: time(row.created_at),
      ended: time(row.ended_at),
    },
    nextAttempt: state === 'waiting' ? time(row.next_at) : null,
    message: JSON.parse(row.message) as Message,
  };
}
