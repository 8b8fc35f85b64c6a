import { hostAway } from '../../catalog/hosts/hosts.js';
import { hooksFailedSince } from '../../catalog/hooks/hook-runs.js';
import { readingsFailedSince, setsEndedSince } from '../../catalog/notices/ended.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { reasonOf } from '../../catalog/retrievals/retrieval-problems.js';
import { unfinishedRetrievals } from '../../catalog/retrievals/retrievals.js';
import type { SetRow } from '../../catalog/rows.js';
import { unfinishedSets } from '../../catalog/sets/sets.js';
import { formatTime } from '../../config/local-time.js';
import { onHost } from '../../entry/host-path.js';
import { english } from '../../messages/sentence.js';
import { shown, t } from '../../messages/shown.js';
import { cutText, type Fact } from './message.js';

/** What ended longer ago, in milliseconds, is no news: a worker that was away for a day does not tell of it. */
const newsMs = 86_400_000;
/** Milliseconds for which a host may be away, as while it is updated, before a person is asked. */
const hostAwayMs = 10 * 60_000;

/** The sources of a set for people. */
export function sourcesText(host: string | null, sources: string): string {
  const names = (JSON.parse(sources) as string[]).map((source) => onHost(host, source));
  return cutText(names.join(', '), 200);
}

const noReason = english`no reason is known`;

/** A set or tape, by its name, or which tapes in words. */
const subjectText = (subject: string) => (subject.includes(' ') ? shown(subject) : subject);

/** How sets, verifies and copies have ended lately. */
export async function endFacts(db: Catalog, now: number): Promise<Fact[]> {
  const facts = (await setsEndedSince(db, now - newsMs)).map(endOfSet);
  for (const row of await readingsFailedSince(db, now - newsMs)) {
    const why = (await reasonOf(db, row)) ?? noReason;
    const subject = subjectText(row.subject);
    facts.push({
      event: 'failed',
      key: `failed ${row.id} ${row.finished_at}`,
      subject: row.id,
      what:
        row.state === 'failed'
          ? t`${row.id} of ${subject} has failed: ${why}.`
          : t`${row.id} of ${subject} has ended incomplete: ${why}.`,
      todo: t`See what is wrong, and start it again when that is mended.`,
      command: `tapeflow status ${row.id}`,
    });
  }
  return facts;
}

function endOfSet({ id, state, host, sources, reason, finished_at: at }: SetRow): Fact {
  const base = { key: `${state} ${id} ${at}`, subject: t`Set ${id}`, setId: id };
  const names = sourcesText(host, sources);
  switch (state) {
    case 'failed':
      return {
        ...{ ...base, event: 'failed', what: t`Set ${id} of ${names} has failed: ${reason ?? noReason}.` },
        todo: t`\`tapeflow status ${id}\` shows what is wrong. Mend it, then let the set go on.`,
        command: `tapeflow retry ${id}`,
      };
    case 'completed_with_skips':
      return {
        ...{ ...base, event: 'completed_with_skips' },
        what: t`Set ${id} of ${names} is complete, but lacks some files.`,
        todo: t`See which files could not be read, and why.`,
        command: `tapeflow status ${id}`,
      };
    default:
      return {
        ...{ ...base, event: 'completed', what: t`Set ${id} of ${names} is complete.` },
        todo: t`Nothing is to be done.`,
        command: `tapeflow status ${id}`,
      };
  }
}

/** Commands of hooks that failed lately, though their sets went on. */
export async function hookFacts(db: Catalog, now: number): Promise<Fact[]> {
  return (await hooksFailedSince(db, now - newsMs)).map(
    ({ set_id: id, round, phase, name, reason, ended_at: at }) => ({
      ...{
        event: 'hook_failed',
        key: `hook ${id} ${round} ${phase} ${at}`,
        subject: t`Hook ${name} of set ${id}`,
      },
      what: t`The ${phase} of the hook ${name} of set ${id} has failed: ${reason ?? noReason}.`,
      todo:
        phase === 'after'
          ? t`The set goes on all the same. Do by hand what it should have done, such as to release a snapshot.`
          : t`The set has read its sources all the same. See whether they were as they should be.`,
      command: `tapeflow trace ${id}`,
    }),
  );
}

/** A reason without what changes while it lasts: free space, and times of the day. */
export function steady(reason: string): string {
  return reason.replace(/[\d.]+ [kMGTP]?i?B\b|(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?/g, '');
}

/** The sets, restores, verifies and copies that wait for a person, and for what. */
export async function waitFacts(db: Catalog, now: number): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (const set of await unfinishedSets(db)) {
    if (isRebuilt(set)) continue;
    const why = await whyWaiting(db, set, now);
    if (why === undefined) continue;
    const names = sourcesText(set.host, set.sources);
    facts.push({
      ...{ event: 'waiting', key: `waiting ${set.id} ${steady(why.reason)}`, subject: t`Set ${set.id}` },
      what: t`Set ${set.id} of ${names} waits: ${why.reason}`,
      ...{ todo: why.todo, command: why.command },
    });
  }
  for (const { id, state, reason, subject } of await unfinishedRetrievals(db)) {
    if (state !== 'waiting_for_tape') continue;
    const why = reason ?? needsTape;
    facts.push({
      ...{ event: 'waiting', key: `waiting ${id} ${steady(why)}`, subject: id },
      what: t`${id} of ${subjectText(subject)} waits: ${why}`,
      ...{ todo: goesOn(), command: `tapeflow status ${id}` },
    });
  }
  return facts;
}

const needsTape = english`it needs a tape.`;
const goesOn = () => t`It goes on by itself as soon as that is there.`;

/** What an unfinished set needs of a person; undefined: nothing. */
async function whyWaiting(
  db: Catalog,
  { id, state, reason, host, left_alone: leftAlone }: SetRow,
  now: number,
): Promise<{ reason: string; todo: string; command: string } | undefined> {
  if (leftAlone === 1)
    return {
      reason: english`it was resumed several times without progress, and is left alone now.`,
      todo: t`\`tapeflow trace ${id}\` shows why. Mend that, then let it go on.`,
      command: `tapeflow resume ${id}`,
    };
  if (state === 'waiting_for_tape')
    return { reason: reason ?? needsTape, todo: goesOn(), command: `tapeflow status ${id}` };
  if (state === 'paused') return undefined;
  const away = await hostAway(db, host);
  if (away === undefined || (away.since !== null && now - away.since < hostAwayMs)) return undefined;
  return {
    reason:
      away.since === null
        ? english`host ${away.host} has its sources, and no archive worker there was heard of.`
        : english`host ${away.host} has its sources, and no archive worker there was heard of
            since ${formatTime(away.since)}.`,
    todo: t`Start the workers on host ${away.host}; the set goes on by itself then.`,
    command: 'tapeflow worker archive',
  };
}
