import { SetRetention } from '../../catalog/sets/set-retention.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import { listSets } from '../../catalog/sets/sets.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { setExpiryText, setStateText } from '../../client/print/set-row.js';
import { sourcesText } from '../../client/print/set-status.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { runPath } from './run-path.js';
import { State } from './state-words.js';

/** Sets of one page. */
const setsShown = 100;

/** Every set, newest first. */
export const setsPage: MakePage = async ({ site, frame, query }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const now = Date.now();
  const before = query('before');
  const all = (await listSets(catalog)).filter(({ id }) => before === '' || id < before);
  const keeping = await SetRetention.of(catalog, session.settings.retentions);
  const rows = [];
  for (const set of all.slice(0, setsShown)) {
    const summary = await summarizeSet(catalog, set.id);
    rows.push([
      <a href={frame.base + runPath(set.id)}>{set.id}</a>,
      <State state={set.state} more={setStateText(set, summary).slice(set.state.length)} />,
      sourcesText(summary, ' '),
      <Time ms={set.created_at} />,
      `${set.mode}${set.base_id === null ? '' : ` since ${set.base_id}`}` +
        (set.recipients === null ? '' : ', encrypted'),
      formatNumber(summary.files + summary.unchanged),
      formatBytes(summary.bytesOut),
      summary.tapes.join(', '),
      setExpiryText(keeping, set, now),
    ]);
  }
  const last = all[setsShown - 1];
  const body = (
    <>
      <h1>Sets</h1>
      {rows.length === 0 ? (
        <p class="nothing">
          There are no sets{before === '' ? ' yet' : ' before that one'}: <code>tapeflow backup PATH…</code>{' '}
          makes one.
        </p>
      ) : (
        <Table
          caption="Backup sets, newest first"
          head={['Set', 'State', 'Sources', 'Started', 'Mode', 'Entries', 'On tape', 'Tapes', 'Expires']}
          numbers={[5, 6]}
          rows={rows}
        />
      )}
      {last === undefined || all.length <= setsShown ? (
        ''
      ) : (
        <p>
          <a href={`${frame.base}sets?before=${encodeURIComponent(last.id)}`}>Older sets</a>
        </p>
      )}
    </>
  );
  return { title: 'Sets', body };
};
