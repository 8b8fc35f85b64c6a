import { SetRetention } from '../../catalog/sets/set-retention.js';
import { tapeRetention, type TapeContent } from '../../catalog/tapes/tape-retention.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { namedTape } from '../../client/commands/tape/named-tape.js';
import { expiryText, retentionText } from '../../client/print/retention-text.js';
import { tapeAdvice } from '../../client/print/tape-advice.js';
import { Bar, Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { runPath } from './run-path.js';
import { State } from './state-words.js';
import { TapeCommands } from './tape-forms.js';
import { Sentence } from './sentence.js';

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
  const { drives } = await session.allDrives();
  const { name, pool, state, reason, free, capacity, seen_at: seen, labelled_at: labelled, volume } = tape;
  const needed = retentionText(kept, now);
  const body = (
    <>
      <h1>Tape {name}</h1>
      <p class="lead">
        <State state={state} />{' '}
        <Sentence text={`${reason ?? ''} ${state === 'usable' ? '' : tapeAdvice(tape)}`} />
      </p>
      <dl>
        <dt>Pool</dt>
        <dd>{pool}</dd>
        <dt>Fill</dt>
        <dd>
          <Bar part={capacity - free} whole={capacity} label="Fill" /> {formatBytes(free)} free of{' '}
          {formatBytes(capacity)}
        </dd>
        <dt>Last seen</dt>
        <dd>
          <Time ms={seen} />
        </dd>
        <dt>Labelled</dt>
        <dd>
          <Time ms={labelled} />
        </dd>
        {volume === null ? '' : <dt>Volume</dt>}
        {volume === null ? '' : <dd>{volume}</dd>}
        <dt>May be erased</dt>
        <dd>{kept.isRecyclable ? `yes, ${needed}` : `no${needed === '' ? '' : `, ${needed}`}`}</dd>
        {kept.inUse.map((use) => (
          <>
            <dt>In use</dt>
            <dd>{use}</dd>
          </>
        ))}
      </dl>
      <TapeCommands tape={tape} frame={frame} drives={drives.map((drive) => drive.name)} />
      <h2>On it</h2>
      {kept.sets.length === 0 ? (
        <p class="nothing">The catalog knows nothing on it.</p>
      ) : (
        <Table
          caption={`Sets on tape ${name}`}
          head={['Set', 'Archives', 'Entries', 'Size', 'With another copy', 'Kept']}
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
  return { title: `Tape ${name}`, body };
};

function neededText(set: TapeContent, now: number): string {
  const { neededBy } = set;
  const builders =
    neededBy.length === 0
      ? ''
      : `; ${neededBy.join(', ')} ${neededBy.length === 1 ? 'builds' : 'build'} on it`;
  return expiryText(set, now) + builders;
}
