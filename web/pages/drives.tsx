import { isHeard } from '../../catalog/hosts/host-conflict.js';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import { listHosts, timeOf } from '../../catalog/hosts/hosts.js';
import { listSchedules } from '../../catalog/server/schedules.js';
import { workOf } from '../../client/print/host-lines.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { usesOwnServer } from '../../workers/server/own-server.js';

/** The drives and hosts, who works there, and the schedules. */
export const drivesPage: MakePage = async ({ site, frame }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const now = await timeOf(catalog);
  const hosts = await workOf(catalog, await listHosts(catalog));
  const known = await listHostDrives(catalog);
  const { drives } = await session.allDrives();
  const schedules = await listSchedules(catalog);
  const server = await site.atServer();
  const missing = usesOwnServer(site.settings) ? 'it does not answer' : 'none runs here';
  const noServer = `${missing}; what is under way goes on when it does.`;
  const body = (
    <>
      <h1>Drives and hosts</h1>
      <div id="drives" data-live>
        <Table
          caption="Drives"
          head={['Drive', 'Kind', 'Path', 'Host', 'Worker', '']}
          rows={drives.map(({ name, kind, path, host }) => {
            const row = known.find((drive) => drive.name === name);
            return [
              name,
              kind,
              <span class="path">{path}</span>,
              host ?? site.settings.TAPEFLOW_HOST,
              isHeard(row?.heard_at ?? null, now) ? 'runs' : 'none runs',
              <a href={`${frame.base}drives/${encodeURIComponent(name)}`}>
                Look into it<span class="unseen"> ({name})</span>
              </a>,
            ];
          })}
        />
        <h2>Hosts</h2>
        {hosts.length === 0 ? (
          <p class="nothing">No worker has begun yet.</p>
        ) : (
          <Table
            caption="Hosts"
            head={['Host', 'Works there', 'Last heard of', 'Version', 'Data folder']}
            rows={hosts.map(({ host, workers, idle }) => [
              host.name,
              (workers.join(', ') || 'no worker') +
                (idle.length === 0 ? '' : `; no worker serves drive ${idle.join(', ')}`),
              <Time ms={host.heard_at} />,
              host.version,
              <span class="path">{host.data_dir}</span>,
            ])}
          />
        )}
        <p>Temporal server: {server === undefined ? noServer : `${server.target.address}, which answers.`}</p>
        <h2>Schedules</h2>
        {schedules.length === 0 ? (
          <p class="nothing">
            There are none: <code>tapeflow schedule add</code> makes one.
          </p>
        ) : (
          <Table
            caption="Schedules"
            head={['Schedule', 'When', 'State', 'Command', 'Last run']}
            rows={schedules.map(({ name, cron, zone, paused, command, run_at: at }) => [
              name,
              `${cron} (${zone})`,
              paused === 1 ? 'paused' : 'on',
              <code>{command}</code>,
              <Time ms={at} />,
            ])}
          />
        )}
      </div>
    </>
  );
  return { title: 'Drives', body, live: true };
};
