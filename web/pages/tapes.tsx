import type { Child } from 'hono/jsx';
import { tapesByPool } from '../../catalog/figures/tape-figures.js';
import { archivesOnTapes } from '../../catalog/tapes/lost-tapes.js';
import { tapeRetentions } from '../../catalog/tapes/tape-retention.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { retentionText } from '../../client/print/retention-text.js';
import { copyPlaces } from './copy-places.js';
import { Bar, Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { State } from './state-words.js';
import { LabelForm } from './tape-forms.js';
import { shown, t } from '../../messages/shown.js';

/** The tapes and pools that the catalog knows, and the form that labels one. */
export const tapesPage: MakePage = async ({ site, frame, query }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const now = Date.now();
  const tapes = await tapeRetentions(catalog, session.settings.retentions, now);
  const on = await archivesOnTapes(catalog);
  const pools = await tapesByPool(catalog);
  const places = await copyPlaces(session);
  const rows = tapes.map((kept): Child[] => {
    const { name, pool, state, free, capacity, seen_at: seen, reason, uuid } = kept.tape;
    const { archives = 0, damaged = 0 } = on.get(uuid) ?? {};
    return [
      <a href={`${frame.base}tapes/${encodeURIComponent(name)}`}>{name}</a>,
      <span class="name">{pool}</span>,
      <State state={state} />,
      <>
        <Bar part={capacity - free} whole={capacity} label={t`Fill of tape ${name}`} />{' '}
        {t`${formatBytes(free)} free of ${formatBytes(capacity)}`}
      </>,
      <Time ms={seen} />,
      `${formatNumber(archives)}${damaged > 0 ? t` (${damaged} damaged)` : ''}`,
      retentionText(kept, now),
      shown(reason ?? ''),
    ];
  });
  const body = (
    <>
      <h1>{t`Tapes`}</h1>
      {rows.length === 0 ? (
        <p class="nothing">{t`There are no tapes yet: load one, and label it here.`}</p>
      ) : (
        <Table
          caption={t`Tapes`}
          head={[t`Tape`, t`Pool`, t`State`, t`Fill`, t`Last seen`, t`Archives`, t`Kept`, '']}
          numbers={[5]}
          rows={rows}
        />
      )}
      {pools.length === 0 ? '' : <h2>{t`Pools`}</h2>}
      {pools.length === 0 ? (
        ''
      ) : (
        <Table
          caption={t`Pools`}
          head={[t`Pool`, t`State`, t`Tapes`, t`Fill`]}
          numbers={[2]}
          rows={pools.map(({ pool, state, count, capacity, free }) => [
            pool,
            <State state={state} />,
            formatNumber(count),
            <>
              <Bar part={capacity - free} whole={capacity} label={t`Fill of pool ${pool}, ${state} tapes`} />{' '}
              {t`${formatBytes(free)} free of ${formatBytes(capacity)}`}
            </>,
          ])}
        />
      )}
      <LabelForm
        frame={frame}
        {...places}
        chosen={{
          drive: query('drive'),
          pool: query('pool') === '' ? session.settings.TAPE_POOL : query('pool'),
        }}
      />
    </>
  );
  return { title: t`Tapes`, body };
};
