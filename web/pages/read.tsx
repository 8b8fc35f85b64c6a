import { finalRetrievalStates, retrievalNamed } from '../../catalog/retrievals/retrievals.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { displayPath } from '../../client/print/names.js';
import { retrievalText } from '../../client/print/retrieval-summary.js';
import { unsetSentence } from '../../client/print/unset-sentence.js';
import { tapesInOrder } from '../../catalog/retrievals/retrieval-summary.js';
import { retrievalWorkflowId } from '../../workflows/workflow-ids.js';
import { Command, Table } from './layout.js';
import type { MakePage } from './page.js';
import { readTitle, runningRead, ReadCard } from './running.js';
import { State } from './state-words.js';
import { subjectPath } from './run-path.js';
import { Sentence } from './sentence.js';

/** Problems that the page shows. */
const problemsShown = 200;

/** A restore, a verify or a copy: what it has done, and what it waits for. */
export const readPage: MakePage = async ({ site, frame, param }) => {
  const catalog = await site.session().catalog();
  const row = await retrievalNamed(catalog, param('run'));
  const running = await runningRead(site, row);
  const { summary } = running;
  const isOver = finalRetrievalStates.includes(row.state);
  const problems = await problemsOf(catalog, row.id, problemsShown);
  const tapes = await tapesInOrder(catalog, row.id);
  const ui = await site.workflowUrl((installation) => retrievalWorkflowId(row.id, installation));
  const unset = unsetSentence(summary.unset);
  const body = (
    <>
      <h1>{readTitle(row)}</h1>
      <div id="run" data-live>
        <p class="lead" role="status">
          <State state={row.state} />{' '}
          <Sentence text={isOver ? retrievalText(summary).slice(row.state.length) : (row.reason ?? '')} />
        </p>
        {isOver ? '' : <ReadCard running={running} frame={frame} />}
        {unset === undefined ? '' : <p>{unset}</p>}
        {problems.length === 0 ? (
          ''
        ) : (
          <section>
            <h2>Problems: {formatNumber(summary.problems)}</h2>
            <ul>
              {problems.map(({ path, reason }) => (
                <li>
                  {path === null ? '' : <span class="path">{displayPath(path)}: </span>}
                  {reason}
                </li>
              ))}
            </ul>
            {summary.problems > problems.length ? (
              <p>
                <code>{`tapeflow status ${row.id} --json`}</code> lists all.
              </p>
            ) : (
              ''
            )}
          </section>
        )}
      </div>
      <p class="links">
        <a href={frame.base + subjectPath(row.subject)}>{row.subject}</a>
        {ui === undefined ? (
          ''
        ) : (
          <a href={ui} rel="noreferrer">
            Its workflow in the Temporal UI
          </a>
        )}
      </p>
      <h2>Tapes, in the order of reading</h2>
      <Table
        caption="Tapes that it reads"
        head={['Tape', 'Archives', 'Content']}
        numbers={[1, 2]}
        rows={tapes.map(({ name, archives, bytes }) => [
          <a href={`${frame.base}tapes/${encodeURIComponent(name)}`}>{name}</a>,
          formatNumber(archives),
          formatBytes(bytes),
        ])}
      />
      {isOver && row.kind === 'verify' ? (
        <Command
          frame={frame}
          path="verify"
          fields={{ subject: row.subject }}
          label="Verify again"
          about={row.subject}
        />
      ) : (
        ''
      )}
    </>
  );
  return { title: row.id, body, live: true };
};
