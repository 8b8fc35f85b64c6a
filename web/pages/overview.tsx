import { finalRetrievalStates, lastRetrievals } from '../../catalog/retrievals/retrievals.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { listSets } from '../../catalog/sets/sets.js';
import { sourcesText } from '../../operations/notify/run-facts.js';
import { Plots } from './figures.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { Sentence } from './sentence.js';
import { readTitle, ReadCard, runningReads, runningSets, SetCard } from './running.js';
import { runPath } from './run-path.js';
import { State } from './state-words.js';
import { wantedOfPeople, WantedList } from './wanted.js';
import { t } from '../../messages/shown.js';

/** Runs that have ended lately, of which the page has so many. */
const endedShown = 10;

/** What is wanted of a person, what runs, and what has ended lately. */
export const overviewPage: MakePage = async ({ site, frame }) => {
  const catalog = await site.session().catalog();
  const wanted = await wantedOfPeople(catalog, Date.now());
  const [sets, reads] = [await runningSets(site), await runningReads(site)];
  const ended = await endedLately(catalog);
  const body = (
    <>
      <h1 class="unseen">{t`Now`}</h1>
      <section aria-labelledby="wanted-head">
        <h2 id="wanted-head">{t`Wanted of you`}</h2>
        <div id="wanted" data-live aria-live="polite">
          <WantedList wanted={wanted} frame={frame} />
        </div>
      </section>
      <section aria-labelledby="running-head">
        <h2 id="running-head">{t`Running now`}</h2>
        <div id="running" data-live class="cards">
          {sets.length + reads.length === 0 ? <p class="nothing">{t`Nothing runs.`}</p> : ''}
          {sets.map((running) => (
            <SetCard running={running} frame={frame} />
          ))}
          {reads.map((running) => (
            <ReadCard running={running} frame={frame} />
          ))}
        </div>
      </section>
      <section aria-labelledby="ended-head">
        <h2 id="ended-head">{t`Ended lately`}</h2>
        <div id="ended" data-live>
          {ended.length === 0 ? (
            <p class="nothing">
              {sets.length > 0 ? (
                t`Nothing has ended yet.`
              ) : (
                <Sentence text={t`There are no sets yet: \`tapeflow backup PATH…\` makes the first.`} />
              )}
            </p>
          ) : (
            <Table
              caption={t`Runs that have ended lately`}
              head={[t`Run`, t`State`, t`Of`, t`Ended`]}
              rows={ended.map(({ id, state, of, at }) => [
                <a href={frame.base + runPath(id)}>{id}</a>,
                <State state={state} />,
                of,
                <Time ms={at} />,
              ])}
            />
          )}
        </div>
      </section>
      <Plots figures={await site.figures()} />
    </>
  );
  return { title: wanted.length > 0 ? `${wanted.length} ${t`wanted`}` : t`Now`, body, live: true };
};

interface EndedRun {
  id: string;
  state: string;
  of: string;
  at: number;
}

/** The last sets, restores, verifies and copies that have ended, newest first. */
async function endedLately(catalog: Catalog): Promise<EndedRun[]> {
  const sets = (await listSets(catalog)).filter(({ state }) => finalSetStates.includes(state));
  const reads = (await lastRetrievals(catalog, endedShown)).filter(({ state }) =>
    finalRetrievalStates.includes(state),
  );
  return [
    ...sets.map((set) => ({
      id: set.id,
      state: set.state,
      of: sourcesText(set.host, set.sources),
      at: set.finished_at ?? set.created_at,
    })),
    ...reads.map((row) => ({
      ...{ id: row.id, state: row.state, of: readTitle(row) },
      at: row.finished_at ?? row.created_at,
    })),
  ]
    .sort((a, b) => b.at - a.at)
    .slice(0, endedShown);
}
