import type { ScheduleDescription } from '@temporalio/client';
import type { Child } from 'hono/jsx';
import { listSchedules, type LastRun } from '../../catalog/server/schedules.js';
import type { ScheduleRow } from '../../catalog/rows.js';
import { formatTimeIn } from '../../config/local-time.js';
import { missedFact } from '../../operations/notify/schedule-facts.js';
import { usesOwnServer } from '../../workers/server/own-server.js';
import { displayWithinMs } from '../../workers/server/pending-steps.js';
import { scheduleStatus, type ScheduleStatus } from '../../workers/starts/schedule-status.js';
import { describeSchedule } from '../../workers/starts/schedules.js';
import type { Site } from '../site.js';
import type { Frame } from './frame.js';
import { Command, Time } from './layout.js';
import type { MakePage } from './page.js';
import { runPath } from './run-path.js';
import { CommandLine, Sentence } from './sentence.js';
import { State } from './state-words.js';
import { t } from '../../messages/shown.js';

/** What the server has of each schedule, by its name. */
type Known = Map<string, ScheduleDescription | undefined>;

/** The schedules: when they run, how their last runs ended, and what can be done with them. */
export const schedulesPage: MakePage = async ({ site, frame }) => {
  const catalog = await site.session().catalog();
  const rows = await listSchedules(catalog);
  const known = await knownAtServer(site, rows);
  const cards: Child[] = [];
  for (const row of rows) {
    const status = await scheduleStatus(catalog, row, known?.get(row.name));
    const missed = await missedFact(catalog, row, Date.now());
    cards.push(<ScheduleCard {...{ status, frame }} missed={missed?.what} next={nextText(status, known)} />);
  }
  const body = (
    <>
      <h1>{t`Schedules`}</h1>
      <div id="schedules" data-live class="cards">
        {known === undefined && rows.length > 0 ? (
          <p class="trouble">
            <Sentence text={silenceText(site)} />
          </p>
        ) : (
          ''
        )}
        {rows.length === 0 ? <p class="nothing">{t`There are no schedules.`}</p> : cards}
      </div>
      <p>
        <Sentence
          text={t`Schedules are made and deleted on the command line:
            \`tapeflow schedule add nightly --cron '30 2 * * *' -- backup PATH…\` makes one, and
            \`tapeflow schedule remove nightly\` deletes it; what it has made stays.`}
        />
      </p>
    </>
  );
  return { title: t`Schedules`, body, live: true };
};

/** Undefined when no server answers. */
async function knownAtServer(site: Site, rows: readonly ScheduleRow[]): Promise<Known | undefined> {
  const server = await site.atServer();
  if (server === undefined) return undefined;
  try {
    const described = await server.client.withDeadline(Date.now() + displayWithinMs, () =>
      Promise.all(rows.map(({ name }) => describeSchedule(server, name))),
    );
    return new Map(rows.map(({ name }, place) => [name, described[place]]));
  } catch {
    return undefined;
  }
}

function silenceText({ settings }: Site): string {
  return usesOwnServer(settings)
    ? t`The Temporal server does not answer: nothing runs automatically until it does.`
    : t`No server runs, so nothing runs automatically until \`tapeflow up\`.`;
}

/** When a schedule runs next, in its own time zone, or why that is not known. */
function nextText({ row, next: [next] }: ScheduleStatus, known: Known | undefined): Child {
  if (row.paused === 1) return t`none while it is paused`;
  if (known === undefined) return t`not known while no server answers`;
  if (known.get(row.name) === undefined) return t`not known to the server yet: a worker tells it`;
  if (next === undefined) return t`never`;
  return (
    <>
      <time datetime={new Date(next).toISOString()}>{formatTimeIn(row.zone, next)}</time> ({row.zone})
    </>
  );
}

interface CardProps {
  status: ScheduleStatus;
  frame: Frame;
  /** That it was due and did not run, as a sentence. */
  missed: string | undefined;
  next: Child;
}

function ScheduleCard({ status: { row, last, trouble }, frame, missed, next }: CardProps) {
  const { name, cron, zone, command } = row;
  const isPaused = row.paused === 1;
  const fields = { schedule: name };
  const about = t`schedule ${name}`;
  return (
    <article class="card">
      <h2>
        {name} <State state={isPaused ? 'paused' : 'on'} text={isPaused ? t`paused` : t`on`} />
      </h2>
      <p>
        <CommandLine text={command} />
      </p>
      <dl>
        <dt>{t`When`}</dt>
        <dd>
          <code>{cron}</code> ({zone})
        </dd>
        <dt>{t`Next run`}</dt>
        <dd>{next}</dd>
        <dt>{t`Last run`}</dt>
        <dd>{last === undefined ? t`none yet` : <LastRunText run={last} frame={frame} />}</dd>
      </dl>
      {missed === undefined ? '' : <p class="trouble">{missed}</p>}
      {trouble === undefined ? (
        ''
      ) : (
        <p class="trouble">
          <Sentence text={t`Schedule ${name} has no success: ${trouble}`} />
        </p>
      )}
      <div class="commands">
        <Command {...{ frame, fields, about }} path="schedule-run" label={t`Run now`} />
        {isPaused ? (
          <Command {...{ frame, fields, about }} path="schedule-resume" label={t`Resume`} />
        ) : (
          <Command {...{ frame, fields, about }} path="schedule-pause" label={t`Pause`} />
        )}
      </div>
    </article>
  );
}

/** How a run ended, or what it does now. */
function LastRunText({ run: { id, state, startedAt, endedAt }, frame }: { run: LastRun; frame: Frame }) {
  return (
    <>
      <State state={state} /> {id === null ? '' : <a href={frame.base + runPath(id)}>{id}</a>}{' '}
      <span class="quiet">
        {t`begun`} <Time ms={startedAt} />
        {endedAt === null ? (
          ''
        ) : (
          <>
            {t`, ended`} <Time ms={endedAt} />
          </>
        )}
      </span>
    </>
  );
}
