import { waitsForPeople, type Wait } from '../../catalog/figures/waits.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { formatTime } from '../../config/local-time.js';
import type { Fact } from '../../operations/notify/message.js';
import { scheduleFacts } from '../../operations/notify/schedule-facts.js';
import { waitFacts } from '../../operations/notify/run-facts.js';
import { damageFacts, tapeFacts } from '../../operations/notify/tape-facts.js';
import { isHeldDrive } from '../../tape/drives/awaited-drive.js';
import type { Frame } from './frame.js';
import { runPath } from './run-path.js';
import { Command } from './layout.js';
import { CommandLine, Sentence } from './sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Something that a person is asked to do. */
export interface Wanted {
  /** What to do, in a few words that can be read from the other end of the room. */
  headline: string;
  /** Why, and what else may help. */
  detail: string;
  /** The command that says more, or does it. */
  command?: string;
  /** The run that waits. */
  wait?: Wait;
  /** It can be done on the page of the schedules. */
  isOfSchedule?: true;
}

/** Everything that is asked of a person now: first what runs wait for, then what the notifications tell of. */
export async function wantedOfPeople(catalog: Catalog, now: number): Promise<Wanted[]> {
  const waits = (await waitsForPeople(catalog)).filter(({ reason }) => !isHeldDrive(reason ?? ''));
  const waiting = new Set(waits.flatMap(({ id }) => [id, t`Set ${id}`]));
  const facts = [
    ...(await waitFacts(catalog, now)).filter(
      ({ subject, key }) => !waiting.has(subject) && !isHeldDrive(key),
    ),
    ...(await damageFacts(catalog)),
    ...(await tapeFacts(catalog, now)),
  ];
  return [
    ...waits.map(ofWait),
    ...facts.map(ofFact),
    ...(await scheduleFacts(catalog, now, true)).map((fact) => ({
      ...ofFact(fact),
      isOfSchedule: true as const,
    })),
  ];
}

function ofFact({ what, todo, command }: Fact): Wanted {
  return { headline: what, detail: todo, command };
}

function ofWait(wait: Wait): Wanted {
  const { id, awaits, reason, since } = wait;
  const from = since === undefined ? '' : t` It waits since ${formatTime(since)}.`;
  if (awaits === 'resume')
    return { wait, headline: t`Resume set ${id}, or cancel it`, detail: t`It is paused.` + from };
  const why = reason === null ? t`it needs a tape.` : shown(reason);
  return { wait, headline: loadText(wait), detail: `${id}${t`: `}${why}${from}` };
}

/** `Load tape LTO007, pool monthly, into lto1`. */
export function loadText({ tape, pool, drive }: Pick<Wait, 'tape' | 'pool' | 'drive'>): string {
  if (tape === '' && pool === '') return drive === '' ? t`Load a tape` : t`Load a tape into ${drive}`;
  if (tape === '')
    return drive === '' ? t`Load a tape of pool ${pool}` : t`Load a tape of pool ${pool} into ${drive}`;
  if (pool === '') return drive === '' ? `${t`Load tape`} ${tape}` : t`Load tape ${tape}, into ${drive}`;
  return drive === ''
    ? t`Load tape ${tape}, pool ${pool}`
    : t`Load tape ${tape}, pool ${pool}, into ${drive}`;
}

/** What is wanted, in large letters. */
export function WantedList({ wanted, frame }: { wanted: Wanted[]; frame: Frame }) {
  if (wanted.length === 0) return <p class="nothing">{t`Nothing waits for you.`}</p>;
  return (
    <ul class="wanted">
      {wanted.map(({ headline, detail, command, wait, isOfSchedule }) => (
        <li class={wait === undefined ? 'fact' : undefined}>
          <strong>
            <Sentence text={headline} />
          </strong>
          <p>
            <Sentence text={detail} />
          </p>
          {command === undefined ? (
            ''
          ) : (
            <p>
              <CommandLine text={command} />
            </p>
          )}
          {wait === undefined ? '' : <WaitLinks wait={wait} frame={frame} />}
          {isOfSchedule === true ? (
            <p class="links">
              <a href={`${frame.base}schedules`}>{t`Schedules`}</a>
            </p>
          ) : (
            ''
          )}
        </li>
      ))}
    </ul>
  );
}

function WaitLinks({ wait: { id, kind, awaits, pool, drive }, frame }: { wait: Wait; frame: Frame }) {
  const query = new URLSearchParams({ ...(drive === '' ? {} : { drive }), ...(pool === '' ? {} : { pool }) });
  return (
    <p class="links">
      <a href={frame.base + runPath(id)}>
        {t`See`} {id}
      </a>
      {awaits === 'resume' ? (
        <Command frame={frame} path="resume" fields={{ set: id }} label={t`Resume`} about={id} />
      ) : (
        ''
      )}
      {awaits === 'tape' && kind === 'backup' && !frame.isReadOnly ? (
        <a href={`${frame.base}tapes?${query.toString()}#label`}>{t`Label the tape in the drive`}</a>
      ) : (
        ''
      )}
    </p>
  );
}
