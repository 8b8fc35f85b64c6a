import { stateWord } from '../../catalog/schema/state-words.js';
import { lastEvent, eventsOf, type RecordedEvent } from '../../catalog/groups/events.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { timeOfDay } from '../../config/local-time.js';
import { formatRanges } from '../../config/number-ranges.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import type { Session } from '../session.js';
import { t } from '../../messages/shown.js';

/** Events of one page. */
const pageSize = 1000;

/** Prints a set's events as they happen: lines for people, or JSON objects. */
export class EventPrinter {
  private last = 0;

  constructor(
    private readonly session: Session,
    private readonly catalog: Catalog,
    private readonly setId: string,
  ) {}

  /** Skips events before now. */
  async skipOld(): Promise<void> {
    this.last = await lastEvent(this.catalog, this.setId);
  }

  /** Prints the events since the last call. */
  async printNew(): Promise<void> {
    for (;;) {
      const events = await eventsOf(this.catalog, this.setId, { afterId: this.last, limit: pageSize });
      this.print(events);
      this.last = events.at(-1)?.id ?? this.last;
      if (events.length < pageSize) return;
    }
  }

  private print(events: RecordedEvent[]): void {
    const { session, setId } = this;
    if (session.json) {
      for (const { id: _, group_no: group, stage, at, ms, bytes, detail } of events) {
        session.emit({ event: stage, setId, group, at: new Date(at).toISOString(), ms, bytes, detail });
      }
      return;
    }
    for (const line of eventLines(setId, events)) session.print(line);
  }
}

/** Lines for people: only stages that matter to them; a sync of several archives is one line. */
export function eventLines(setId: string, events: readonly RecordedEvent[]): string[] {
  const lines: string[] = [];
  let synced: RecordedEvent[] = [];
  const flush = () => {
    const [first] = synced;
    if (first !== undefined) {
      const groups = formatRanges(synced.map((event) => event.group_no ?? 0));
      const bytes = synced.reduce((sum, event) => sum + (event.bytes ?? 0), 0);
      lines.push(
        t`${timeOfDay(first.at)} ${setId} group ${groups}: synced and committed (${formatBytes(bytes)})`,
      );
    }
    synced = [];
  };
  for (const event of events) {
    if (event.stage === 'committed') {
      synced.push(event);
      continue;
    }
    if (event.stage === 'synced' || event.stage === 'released') continue;
    flush();
    const text = eventText(event);
    if (text !== undefined) lines.push(`${timeOfDay(event.at)} ${setId} ${text}`);
  }
  flush();
  return lines;
}

function eventText(event: RecordedEvent): string | undefined {
  const { stage, detail, group_no: group } = event;
  const bytes = event.bytes === null ? '' : formatBytes(event.bytes);
  const took = event.ms === null ? '' : t` in ${formatSeconds(event.ms / 1000)}`;
  if (group === null && stage.startsWith('hook_')) {
    const [, phase = '', state = ''] = stage.split('_');
    return state === 'failed'
      ? t`hook ${phase}: FAILED (${detail ?? ''})`
      : t`hook ${phase}: done${took} (${detail ?? ''})`;
  }
  if (group === null) {
    return detail === null ? t`is ${stateWord(stage)}` : t`is ${stateWord(stage)}: ${detail}`;
  }
  switch (stage) {
    case 'compressed':
      return t`group ${group}: compressed to ${bytes}${took} (${detail ?? ''})`;
    case 'written':
      return t`group ${group}: written, ${bytes}${took} (${detail ?? ''})`;
    case 'failed':
      return t`group ${group}: FAILED: ${detail ?? ''}`;
    case 'lost':
      return t`group ${group}: its unsynced copy is not trusted, or its bytes are lost;
        it is made again: ${detail ?? ''}`;
    case 'final_timeout':
      return t`group ${group}: ${detail ?? ''}; looking again`;
    default:
      return undefined;
  }
}
