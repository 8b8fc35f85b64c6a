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
import { afterState, State } from './state-words.js';
import { subjectPath } from './run-path.js';
import { Sentence } from './sentence.js';
import { shown, t } from '../../messages/shown.js';

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
          <Sentence text={isOver ? afterState(retrievalText(summary), row.state) : shown(row.reason ?? '')} />
        </p>
        {isOver ? '' : <ReadCard running={running} frame={frame} />}
        {unset === undefined ? '' : <p>{unset}</p>}
        {problems.length === 0 ? (
          ''
        ) : (
          <section>
            <h2>{t`Problems: ${formatNumber(summary.problems)}`}</h2>
            <ul>
              {problems.map(({ path, reason }) => (
                <li>
                  {path === null ? (
                    ''
                  ) : (
                    <span class="path">
                      {displayPath(path)}
                      {t`: `}
                    </span>
                  )}
                  {shown(reason)}
                </li>
              ))}
            </ul>
            {summary.problems > problems.length ? (
              <p>
                <Sentence text={t`\`tapeflow status ${row.id} --json\` lists all.`} />
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
            {t`Its workflow in the Temporal UI`}
          </a>
        )}
      </p>
      <h2>{t`Tapes, in the order of reading`}</h2>
      <Table
        caption={t`Tapes that it reads`}
        head={[t`Tape`, t`Archives`, t`Content`]}
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
          label={t`Verify again`}
          about={row.subject}
        />
      ) : (
        ''
      )}
    </>
  );
  return { title: row.id, body, live: true };
};
