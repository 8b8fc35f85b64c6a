import type { Command } from 'commander';
import { forgetHostNamed } from '../../../catalog/hosts/forget-host.js';
import { listHosts } from '../../../catalog/hosts/hosts.js';
import { formatTime } from '../../../config/local-time.js';
import { forgetMark } from '../../../staging/host-marks.js';
import { hostLine, workOf } from '../../print/host-lines.js';
import { inReadOnlySession, inSession, type Session } from '../../session.js';
import { shown, t } from '../../../messages/shown.js';

/** `host list|forget`: the machines of the installation. */
export function addHosts(program: Command): void {
  const host = program.command('host');
  host
    .command('list')
    .description('list the hosts of this installation, with their workers and drives')
    .action((_options, command: Command) => inReadOnlySession(command, list));
  host
    .command('forget')
    .description('forget a host that is gone, with its drives; its sets stay, and can be restored')
    .argument('<host>', 'the host')
    .action((name: string, _options, command: Command) =>
      inSession(command, (session) => forget(session, name)),
    );
}

async function list(session: Session): Promise<void> {
  const catalog = await session.catalog();
  for (const { host, workers, idle } of await workOf(catalog, await listHosts(catalog))) {
    const { name, machine, data_dir: dataDir, version, home, heard_at: heardAt } = host;
    if (session.json) {
      session.emit({
        ...{ name, machine, dataDir, version, home: home === 1, heardAt: new Date(heardAt).toISOString() },
        ...{ workers, drivesWithoutWorker: idle },
      });
      continue;
    }
    const line = shown(hostLine({ host, workers, idle }, formatTime(heardAt)));
    session.print(
      home === 1
        ? t`${line} (${machine}, ${dataDir}; it made the installation)`
        : `${line} (${machine}, ${dataDir})`,
    );
  }
}

async function forget(session: Session, name: string): Promise<void> {
  const catalog = await session.catalog();
  const wasKnown = await forgetHostNamed(catalog, name);
  if (wasKnown) await forgetMark(session.settings.BACKUP_COMPRESS_DIR, name);
  if (session.json) return session.emit({ name, forgotten: wasKnown });
  const names = (await listHosts(catalog)).map((host) => host.name).join(', ');
  session.print(
    wasKnown
      ? t`Host ${name} is forgotten, with its drives. If it comes back, its first worker makes it known again.`
      : t`This installation has no host ${name}: nothing is to be forgotten. Its hosts are: ${names}.`,
  );
}
