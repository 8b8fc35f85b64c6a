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
import { t } from '../../messages/shown.js';
import { modeText } from '../../client/print/set-summary.js';
import { Sentence } from './sentence.js';

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
      <a class="whole" href={frame.base + runPath(set.id)}>
        {set.id}
      </a>,
      <State state={set.state} text={setStateText(set, summary)} />,
      sourcesText(summary, ' '),
      <Time ms={set.created_at} />,
      modeText(set.mode, null) +
        (set.base_id === null ? '' : t` since ${set.base_id}`) +
        (set.recipients === null ? '' : t`, encrypted`),
      formatNumber(summary.files + summary.unchanged),
      formatBytes(summary.bytesOut),
      summary.tapes.join(', '),
      setExpiryText(keeping, set, now),
    ]);
  }
  const last = all[setsShown - 1];
  const body = (
    <>
      <h1>{t`Sets`}</h1>
      {rows.length === 0 ? (
        <p class="nothing">
          <Sentence
            text={
              before === ''
                ? t`There are no sets yet: \`tapeflow backup PATH…\` makes one.`
                : t`There are no sets before that one: \`tapeflow backup PATH…\` makes one.`
            }
          />
        </p>
      ) : (
        <Table
          caption={t`Backup sets, newest first`}
          head={[
            ...[t`Set`, t`State`, t`Sources`, t`Started`, t`Mode`],
            ...[t`Entries`, t`On tape`, t`Tapes`, t`Expires`],
          ]}
          numbers={[5, 6]}
          rows={rows}
        />
      )}
      {last === undefined || all.length <= setsShown ? (
        ''
      ) : (
        <p>
          <a href={`${frame.base}sets?before=${encodeURIComponent(last.id)}`}>{t`Older sets`}</a>
        </p>
      )}
    </>
  );
  return { title: t`Sets`, body };
};
