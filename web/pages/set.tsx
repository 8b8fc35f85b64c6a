import type { Child } from 'hono/jsx';
import { lastEvents } from '../../catalog/groups/events.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { recipientsShown } from '../../catalog/sets/recipients.js';
import { SetRetention } from '../../catalog/sets/set-retention.js';
import type { SetSummary } from '../../catalog/sets/set-summary.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import { formatSeconds } from '../../config/durations.js';
import { formatRanges } from '../../config/number-ranges.js';
import { formatBytes } from '../../config/sizes.js';
import { eventLines } from '../../client/follow/events.js';
import { firstListed, headings } from '../../client/print/entry-lists.js';
import { leftOutLines, uselessExcludes } from '../../client/print/excluded.js';
import { displayPath } from '../../client/print/names.js';
import { setExpiryText, setStateText } from '../../client/print/set-row.js';
import { onTapeText, sourcesText } from '../../client/print/set-status.js';
import { modeText } from '../../client/print/set-summary.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import { EndedSetCommands } from './set-forms.js';
import { copyPlaces } from './copy-places.js';
import type { Frame } from './frame.js';
import { Bar } from './layout.js';
import type { MakePage } from './page.js';
import { runningSet, SetCommands, Steps, TroubleText } from './running.js';
import { State } from './state-words.js';
import { Sentence } from './sentence.js';
import { stateWord } from '../../catalog/schema/state-words.js';
import { shown, t } from '../../messages/shown.js';

/** Events that the page shows, the last ones first. */
const eventsShown = 60;

/** What a set has done, does, and holds. */
export const setPage: MakePage = async ({ site, frame, param }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const set = await setNamed(catalog, param('set'));
  const isOver = finalSetStates.includes(set.state);
  const running = await runningSet(site, set);
  const { summary } = running;
  const keeping = await SetRetention.of(catalog, session.settings.retentions);
  const expires = setExpiryText(keeping, set, Date.now());
  const events = eventLines(set.id, await lastEvents(catalog, set.id, eventsShown)).reverse();
  const ui = await site.workflowUrl((installation) => backupWorkflowId(set.id, installation));
  const lists = { skipped: [], flagged: [] } as Record<'skipped' | 'flagged', Child[]>;
  for (const kind of ['skipped', 'flagged'] as const)
    if (summary[kind] > 0)
      lists[kind] = (await firstListed(catalog, set.id, kind)).map(({ path, reason }) => (
        <li>
          <span class="path">{displayPath(path)}</span>
          {t`: `}
          {shown(reason ?? '')}
        </li>
      ));
  const title = `${t`Set`} ${set.id}`;
  const body = (
    <>
      <h1>{title}</h1>
      <div id="set" data-live>
        <p class="lead" role="status">
          <State state={set.state} text={setStateText(set, summary)} />
          {set.reason === null ? '' : ' '}
          <Sentence text={shown(set.reason ?? '')} />
        </p>
        {isOver ? (
          ''
        ) : (
          <Bar part={summary.bytesIn} whole={summary.plannedBytes} label={t`Part that is on tape`} />
        )}
        {running.trouble === undefined || isOver ? (
          ''
        ) : (
          <p class="trouble">
            <TroubleText trouble={running.trouble} />
          </p>
        )}
        {running.away === undefined || isOver ? '' : <p class="trouble">{running.away}</p>}
        <Steps steps={running.steps} />
        <Facts summary={summary} expires={expires} />
        {isOver ? (
          <EndedSetCommands set={set} frame={frame} places={await copyPlaces(session)} />
        ) : (
          <SetCommands summary={summary} frame={frame} />
        )}
      </div>
      <SetLinks setId={set.id} frame={frame} ui={ui} hasFiles={set.state !== 'expired'} />
      <div id="lists" data-live>
        {(['skipped', 'flagged'] as const).map((kind) =>
          summary[kind] === 0 ? (
            ''
          ) : (
            <section>
              <h2>
                {`${shown(headings[kind].label)} ${shown(formatCount(summary[kind], 'entry', 'entries'))}`}
                {t`, `}
                {shown(headings[kind].means)}
              </h2>
              <ul>{lists[kind]}</ul>
              {summary[kind] > lists[kind].length ? (
                <p>
                  <Sentence text={t`\`tapeflow ls ${set.id} --${kind}\` lists all.`} />
                </p>
              ) : (
                ''
              )}
            </section>
          ),
        )}
      </div>
      <section>
        <h2>{t`Events`}</h2>
        <div id="events" data-live>
          {events.length === 0 ? (
            <p class="nothing">{t`None yet.`}</p>
          ) : (
            <pre class="log">{events.join('\n')}</pre>
          )}
        </div>
      </section>
    </>
  );
  return { title, body, live: true };
};

function SetLinks({
  setId,
  frame,
  ui,
  hasFiles,
}: {
  setId: string;
  frame: Frame;
  ui: string | undefined;
  hasFiles: boolean;
}) {
  return (
    <p class="links">
      {hasFiles ? <a href={`${frame.base}sets/${setId}/files`}>{t`Browse its files, and restore`}</a> : ''}
      {ui === undefined ? (
        ''
      ) : (
        <a href={ui} rel="noreferrer">
          {t`Its workflow in the Temporal UI`}
        </a>
      )}
    </p>
  );
}

function Facts({ summary, expires }: { summary: SetSummary; expires: string }) {
  const { mode, base, unchanged, groups, plannedBytes, stages, copies, stagedBytes, lostGroups } = summary;
  const stageTexts = Object.entries(stages).map(
    ([stage, count]) => `${formatNumber(count)} ${shown(stateWord(stage))}`,
  );
  const facts: [string, Child][] = [
    [t`Sources`, sourcesText(summary, ', ')],
    [
      t`Mode`,
      modeText(mode, base) +
        (unchanged === 0 ? '' : t`; earlier sets hold ${formatCount(unchanged, 'unchanged file')}`),
    ],
    ...(summary.recipients === undefined
      ? []
      : [[t`Encrypted`, `${t`to`} ${recipientsShown(summary.recipients)}`] as [string, Child]]),
    [
      t`Scan`,
      summary.scanned
        ? t`done, ${formatCount(groups, 'group')}, ${formatBytes(plannedBytes)}`
        : t`goes on, ${formatCount(groups, 'group')}, ${formatBytes(plannedBytes)}`,
    ],
    [t`Groups`, stageTexts.join(t`, `) || t`none yet`],
    [t`On tape`, onTapeText(summary)],
    ...(copies.length < 2
      ? []
      : copies.map(({ pool, drive, archives }, index): [string, Child] => [
          t`Copy ${index + 1} of ${copies.length}`,
          t`pool ${pool}, drive ${drive}: ${formatNumber(archives)} of ${formatNumber(groups)} committed`,
        ])),
    [t`Staging`, t`${formatBytes(stagedBytes)} held`],
    [t`Time`, formatSeconds(summary.seconds)],
    ...(expires === '' ? [] : [[t`Expires`, expires] as [string, Child]]),
    ...(lostGroups.length === 0
      ? []
      : [[t`Lost`, t`groups ${formatRanges(lostGroups)} were on lost tapes only`] as [string, Child]]),
    ...leftOutLines(summary, '').map((line): [string, Child] => [t`Left out`, line.trim()]),
    ...uselessExcludes(summary).map((line): [string, Child] => [t`Warning`, line]),
    ...summary.failedGroups
      .slice(0, 20)
      .map(({ group, reason }): [string, Child] => [t`Group ${group} failed`, `${t`at`} ${shown(reason)}`]),
  ];
  return (
    <dl>
      {facts.map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </>
      ))}
    </dl>
  );
}
