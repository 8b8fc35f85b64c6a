import { SetRetention } from '../../catalog/sets/set-retention.js';
import { tapeRetention, type TapeContent } from '../../catalog/tapes/tape-retention.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { namedTape } from '../../client/commands/tape/named-tape.js';
import { expiryText, retentionText } from '../../client/print/retention-text.js';
import { tapeAdvice } from '../../client/print/tape-advice.js';
import { copyPlaces } from './copy-places.js';
import { Bar, Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { runPath } from './run-path.js';
import { State } from './state-words.js';
import { TapeCommands } from './tape-forms.js';
import { Sentence } from './sentence.js';
import { shown, t } from '../../messages/shown.js';

/** What is on a tape, how long it is kept, and what can be done with it. */
export const tapePage: MakePage = async ({ site, frame, param }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const now = Date.now();
  const tape = await namedTape(session, param('tape'));
  const kept = await tapeRetention(
    catalog,
    tape,
    await SetRetention.of(catalog, session.settings.retentions),
    now,
  );
  const { name, pool, state, reason, free, capacity, seen_at: seen, labelled_at: labelled, volume } = tape;
  const needed = retentionText(kept, now);
  const title = `${t`Tape`} ${name}`;
  const body = (
    <>
      <h1>{title}</h1>
      <p class="lead">
        <State state={state} /> <Sentence text={shown(reason ?? '')} />
      </p>
      {state === 'usable' ? (
        ''
      ) : (
        <p>
          <Sentence text={tapeAdvice(tape)} />
        </p>
      )}
      <dl>
        <dt>{t`Pool`}</dt>
        <dd>{pool}</dd>
        <dt>{t`Fill`}</dt>
        <dd>
          <Bar part={capacity - free} whole={capacity} label={t`Fill`} />{' '}
          {t`${formatBytes(free)} free of ${formatBytes(capacity)}`}
        </dd>
        <dt>{t`Last seen`}</dt>
        <dd>
          <Time ms={seen} />
        </dd>
        <dt>{t`Labelled`}</dt>
        <dd>
          <Time ms={labelled} />
        </dd>
        {volume === null ? '' : <dt>{t`Volume`}</dt>}
        {volume === null ? '' : <dd>{volume}</dd>}
        <dt>{t`May be erased`}</dt>
        <dd>{kept.isRecyclable ? t`yes, ${needed}` : needed === '' ? t`no` : t`no, ${needed}`}</dd>
        {kept.inUse.map((use) => (
          <>
            <dt>{t`In use`}</dt>
            <dd>{shown(use)}</dd>
          </>
        ))}
      </dl>
      <TapeCommands tape={tape} frame={frame} places={await copyPlaces(session)} />
      <h2>{t`On it`}</h2>
      {kept.sets.length === 0 ? (
        <p class="nothing">{t`The catalog knows nothing on it.`}</p>
      ) : (
        <Table
          caption={t`Sets on tape ${name}`}
          head={[t`Set`, t`Archives`, t`Entries`, t`Size`, t`With another copy`, t`Kept`]}
          numbers={[1, 2, 3, 4]}
          rows={kept.sets.map((set) => [
            <a href={frame.base + runPath(set.setId)}>{set.setId}</a>,
            formatNumber(set.archives),
            formatNumber(set.members),
            formatBytes(set.bytes),
            formatNumber(set.elsewhere),
            neededText(set, now),
          ])}
        />
      )}
    </>
  );
  return { title, body };
};

function neededText(set: TapeContent, now: number): string {
  const { neededBy } = set;
  const text = expiryText(set, now);
  if (neededBy.length === 0) return text;
  const builders = neededBy.join(', ');
  return text + (neededBy.length === 1 ? t`; ${builders} builds on it` : t`; ${builders} build on it`);
}
