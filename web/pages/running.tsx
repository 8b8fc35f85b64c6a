import { hostAway } from '../../catalog/hosts/hosts.js';
import { unfinishedRetrievals } from '../../catalog/retrievals/retrievals.js';
import { summarizeRetrieval, type RetrievalSummary } from '../../catalog/retrievals/retrieval-summary.js';
import type { RetrievalRow, SetRow } from '../../catalog/rows.js';
import { summarizeSet, type SetSummary } from '../../catalog/sets/set-summary.js';
import { unfinishedSets } from '../../catalog/sets/sets.js';
import { formatCount } from '../../config/counts.js';
import { formatSeconds } from '../../config/durations.js';
import { formatTime } from '../../config/local-time.js';
import { formatBytes } from '../../config/sizes.js';
import { pendingReads, pendingSteps, type PendingStep } from '../../workers/server/pending-steps.js';
import { troubleOf, type SetTrouble } from '../../client/follow/set-health.js';
import { stepLine } from '../../workers/server/step-words.js';
import { sourcesText } from '../../client/print/set-status.js';
import { shownTarget } from '../../operations/retrievals/retrieval-start.js';
import type { Site } from '../site.js';
import type { Frame } from './frame.js';
import { Bar, Command } from './layout.js';
import { runPath } from './run-path.js';
import { State } from './state-words.js';
import { Sentence } from './sentence.js';
import { shown, t } from '../../messages/shown.js';

/** What a set does now. */
export interface RunningSet {
  summary: SetSummary;
  steps: PendingStep[];
  trouble: SetTrouble | undefined;
  /** Why nothing of it goes on here, as a sentence. */
  away: string | undefined;
}

/** What a set that has not ended does now; without a server what the catalog knows of it. */
export async function runningSet(site: Site, { id, host }: SetRow): Promise<RunningSet> {
  const catalog = await site.session().catalog();
  const server = await site.atServer();
  const away = await hostAway(catalog, host);
  return {
    summary: await summarizeSet(catalog, id),
    steps: server === undefined ? [] : await pendingSteps(server, id),
    trouble: server === undefined ? undefined : await troubleOf(server, id).catch(() => undefined),
    away:
      away !== undefined
        ? awayText(away)
        : server === undefined
          ? t`No server answers: it goes on by itself when one does. \`tapeflow up\` starts one.`
          : undefined,
  };
}

function awayText({ host, since }: { host: string; since: number | null }): string {
  return since === null
    ? t`Host ${host} has its sources, and no archive worker there was heard of.`
    : t`Host ${host} has its sources, and no archive worker there was heard of since ${formatTime(since)}.`;
}

/** The same of every set that has not ended. */
export async function runningSets(site: Site): Promise<RunningSet[]> {
  const sets = await unfinishedSets(await site.session().catalog());
  return Promise.all(sets.map((set) => runningSet(site, set)));
}

/** A restore, a verify or a copy that has not ended. */
export interface RunningRead {
  row: RetrievalRow;
  summary: RetrievalSummary;
  steps: PendingStep[];
}

export async function runningRead(site: Site, row: RetrievalRow): Promise<RunningRead> {
  const server = await site.atServer();
  const steps = server === undefined ? [] : await pendingReads(server, row.id);
  return { row, summary: await summarizeRetrieval(await site.session().catalog(), row.id), steps };
}

export async function runningReads(site: Site): Promise<RunningRead[]> {
  const rows = await unfinishedRetrievals(await site.session().catalog());
  return Promise.all(rows.map((row) => runningRead(site, row)));
}

/** A set under way: how far it is, what it does, and what can be done. */
export function SetCard({ running, frame }: { running: RunningSet; frame: Frame }) {
  const { summary, steps, trouble, away } = running;
  const { setId, status, plannedBytes, bytesIn, bytesOut, archives, groups, scanned } = summary;
  return (
    <article class="card">
      <h3>
        <a href={frame.base + runPath(setId)}>
          {t`Set`} {setId}
        </a>{' '}
        <State state={status} />
      </h3>
      <p class="quiet">{sourcesText(summary, ', ')}</p>
      <Bar part={bytesIn} whole={plannedBytes} label={t`Part of set ${setId} that is on tape`} />
      <p>
        {scanned
          ? t`${formatBytes(bytesIn)} of ${formatBytes(plannedBytes)} on tape as ${formatBytes(bytesOut)},
              ${archives} of ${formatCount(groups, 'archive')}, in ${formatSeconds(summary.seconds)}`
          : t`${formatBytes(bytesIn)} of ${formatBytes(plannedBytes)} found so far on tape as
              ${formatBytes(bytesOut)}, ${archives} of ${formatCount(groups, 'archive')},
              in ${formatSeconds(summary.seconds)}`}
      </p>
      {trouble === undefined ? (
        ''
      ) : (
        <p class="trouble">
          <TroubleText trouble={trouble} />
        </p>
      )}
      {away === undefined ? '' : <p class="trouble">{away}</p>}
      <Steps steps={steps} />
      <SetCommands summary={summary} frame={frame} />
    </article>
  );
}

/** Why a set makes no progress by itself, and what to do. */
export function TroubleText({ trouble: { finding, advice } }: { trouble: SetTrouble }) {
  return <Sentence text={`${t`It is unfinished, but ${finding}.`} ${shown(advice)}`} />;
}

/** What can be told to a set that has not ended. */
export function SetCommands({
  summary: { setId, status, failedGroups },
  frame,
}: {
  summary: SetSummary;
  frame: Frame;
}) {
  const fields = { set: setId };
  const about = `${t`set`} ${setId}`;
  return (
    <div class="commands">
      {status === 'paused' ? '' : <Command {...{ frame, fields, about }} path="pause" label={t`Pause`} />}
      {status === 'scanning' || status === 'running' ? (
        ''
      ) : (
        <Command
          {...{ frame, fields, about }}
          path="resume"
          label={status === 'paused' ? t`Resume` : t`Look again`}
        />
      )}
      {failedGroups.length === 0 ? (
        ''
      ) : (
        <Command {...{ frame, fields, about }} path="retry" label={t`Retry`} />
      )}
      <Command {...{ frame, fields, about }} path="cancel" label={t`Cancel`} danger />
    </div>
  );
}

/** The steps that are under way, or blocked. */
export function Steps({ steps }: { steps: readonly PendingStep[] }) {
  const told = steps.flatMap((step) => {
    const line = stepLine(step);
    return line === undefined ? [] : [{ line: shown(line), details: step.details }];
  });
  if (told.length === 0) return <></>;
  return (
    <ul class="steps">
      {told.map(({ line, details: { bytesIn, bytesOut, bytesTotal, seconds } }) => {
        const done = bytesOut ?? bytesIn ?? 0;
        const speed =
          bytesOut === undefined || seconds === undefined || seconds < 0.5 ? undefined : done / seconds;
        return (
          <li>
            <Sentence text={line} />
            {bytesTotal === undefined ? (
              ''
            ) : (
              <>
                {' '}
                <Bar part={done} whole={bytesTotal} label={line} /> {formatBytes(done)}
                {t` of ${formatBytes(bytesTotal)}`}
                {speed === undefined ? '' : `, ${(speed / 1e6).toFixed(0)} MB/s`}
              </>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** What a restore, a verify or a copy is, in words. */
export function readTitle(row: RetrievalRow): string {
  const { kind, subject } = row;
  if (kind === 'restore') return t`Restore of ${subject} to ${shownTarget(row)}`;
  return kind === 'verify' ? t`Verify of ${subject}` : t`Copy of ${subject}`;
}

/** A restore, a verify or a copy under way. */
export function ReadCard({
  running: { row, summary, steps },
  frame,
}: {
  running: RunningRead;
  frame: Frame;
}) {
  const { id, status, archivesDone, archives, bytesDone, bytes, tapes } = summary;
  return (
    <article class="card">
      <h3>
        <a href={frame.base + runPath(id)}>{readTitle(row)}</a> <State state={status} />
      </h3>
      <p class="quiet">
        {id}
        {tapes.length === 0 ? '' : t`; tapes in the order of reading: ${tapes.join(', ')}`}
      </p>
      <Bar part={bytesDone} whole={bytes} label={t`Part of ${id} that is done`} />
      <p>
        {t`${archivesDone} of ${formatCount(archives, 'archive')}, ${formatBytes(bytesDone)} of
          ${formatBytes(bytes)}, in ${formatSeconds(summary.seconds)}`}
      </p>
      <Steps steps={steps} />
      <div class="commands">
        <Command frame={frame} path="cancel" fields={{ set: id }} label={t`Cancel`} about={id} danger />
      </div>
    </article>
  );
}
