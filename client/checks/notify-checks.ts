import { statSync } from 'node:fs';
import { unsentOf } from '../../catalog/notices/outbox.js';
import { formatCount } from '../../config/counts.js';
import { describeError } from '../../config/failures.js';
import type { ChannelSettings } from '../../config/settings/channels.js';
import { secretsOf } from '../../operations/notify/channels/send.js';
import { secretValue } from '../../operations/notify/channels/secrets.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

/** How the file of channels names where a secret is. */
const [inFile, inVariable] = ['{"file": "PATH"}', '{"env": "NAME"}'];

/** Checks that each channel has its values, that they are kept from others, and that it has taken what was sent. */
export async function checkChannels(session: Session, catalogWorks: boolean): Promise<Check[]> {
  const { channels, origins } = session.settings;
  const checks: Check[] = [];
  for (const channel of channels) checks.push(await checkChannel(session, channel, catalogWorks));
  const plain = channels.filter((channel) => secretsOf(channel).some((secret) => typeof secret === 'string'));
  const file = origins.notify;
  if (plain.length > 0 && isReadByOthers(file))
    checks.push({
      what: english`channels`,
      level: 'note',
      finding: english`others can read ${file}, and in it the addresses or passwords of
          ${plain.map(({ name }) => name).join(', ')}`,
      advice: english`\`chmod o= ${file}\`, or name a file or a variable there:
        ${inFile}, ${inVariable}.`,
    });
  return checks;
}

async function checkChannel(
  session: Session,
  channel: ChannelSettings,
  catalogWorks: boolean,
): Promise<Check> {
  const { settings } = session;
  const what = english`channel ${channel.name}`;
  for (const secret of secretsOf(channel)) {
    try {
      secretValue(secret, { env: process.env, homeDir: settings.homeDir });
    } catch (error) {
      const isVariable = typeof secret !== 'string' && 'env' in secret;
      return {
        ...{ what, finding: describeError(error) },
        // The workers may have it, as from a unit's file.
        level: isVariable ? 'note' : 'trouble',
        advice: isVariable
          ? english`The workers need it in their environment; this command is not told theirs.`
          : english`Make it, readable by the user of the workers only.`,
      };
    }
  }
  const unsent = catalogWorks ? await unsentOf(await session.catalog(), channel.name, Date.now()) : undefined;
  if (unsent !== undefined && unsent.count > 0)
    return {
      ...{ what, level: 'trouble' },
      finding: english`it did not take ${formatCount(unsent.count, 'message')}: ${unsent.error ?? ''}`,
      advice: english`\`tapeflow notify test ${channel.name}\` tries it; what waits is sent by itself.`,
    };
  return {
    what,
    level: 'ok',
    finding: english`${channel.kind}; \`tapeflow notify test\` sends a test message`,
  };
}

function isReadByOthers(file: string): boolean {
  if (process.platform === 'win32') return false;
  try {
    return (statSync(file).mode & 0o004) !== 0;
  } catch {
    return false;
  }
}
