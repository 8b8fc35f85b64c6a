import { isHeard } from '../../catalog/hosts/host-conflict.js';
import { listHostDrives } from '../../catalog/hosts/host-drives.js';
import { listHosts, timeOf } from '../../catalog/hosts/hosts.js';
import { workOf } from '../../client/print/host-lines.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { usesOwnServer } from '../../workers/server/own-server.js';
import { t } from '../../messages/shown.js';

/** The drives and hosts, and who works there. */
export const drivesPage: MakePage = async ({ site, frame }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const now = await timeOf(catalog);
  const hosts = await workOf(catalog, await listHosts(catalog));
  const known = await listHostDrives(catalog);
  const { drives } = await session.allDrives();
  const server = await site.atServer();
  const atServer =
    server !== undefined
      ? t`Temporal server: ${server.target.address}, which answers.`
      : usesOwnServer(site.settings)
        ? t`Temporal server: it does not answer; what is under way goes on when it does.`
        : t`Temporal server: none runs here; what is under way goes on when it does.`;
  const body = (
    <>
      <h1>{t`Drives and hosts`}</h1>
      <div id="drives" data-live>
        <Table
          caption={t`Drives`}
          head={[t`Drive`, t`Kind`, t`Path`, t`Host`, t`Worker`, '']}
          rows={drives.map(({ name, kind, path, host }) => {
            const row = known.find((drive) => drive.name === name);
            return [
              name,
              kind,
              <span class="path">{path}</span>,
              host ?? site.settings.TAPEFLOW_HOST,
              isHeard(row?.heard_at ?? null, now) ? t`runs` : t`none runs`,
              <a href={`${frame.base}drives/${encodeURIComponent(name)}`}>
                {t`Look into it`}
                <span class="unseen"> ({name})</span>
              </a>,
            ];
          })}
        />
        <h2>{t`Hosts`}</h2>
        {hosts.length === 0 ? (
          <p class="nothing">{t`No worker has begun yet.`}</p>
        ) : (
          <Table
            caption={t`Hosts`}
            head={[t`Host`, t`Works there`, t`Last heard of`, t`Version`, t`Data folder`]}
            rows={hosts.map(({ host, workers, idle }) => [
              host.name,
              (workers.join(t`, `) || t`no worker`) +
                (idle.length === 0 ? '' : t`; no worker serves drive ${idle.join(', ')}`),
              <Time ms={host.heard_at} />,
              host.version,
              <span class="path">{host.data_dir}</span>,
            ])}
          />
        )}
        <p>{atServer}</p>
      </div>
    </>
  );
  return { title: t`Drives`, body, live: true };
};
