import { groupsIn } from '../../catalog/groups/groups-in-state.js';
import { eventsOf } from '../../catalog/groups/events.js';
import { finalSetStates } from '../../catalog/schema/set-tables.js';
import { type SetSummary, summarizeSet } from '../../catalog/sets/set-summary.js';
import { recipientsOf, recipientsShown } from '../../catalog/sets/recipients.js';
import { setNamed } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { finalDir } from '../../staging/paths.js';
import { formatRanges } from '../../config/number-ranges.js';
import { formatTime } from '../../config/local-time.js';
import { formatCount, formatNumber } from '../../config/counts.js';
import {
  driveFinding,
  outlookOf,
  printFindings,
  waitAdvice,
  type Finding,
  type Outlook,
} from './findings.js';
import { stageText } from './stage-text.js';
import { inspectDrives } from '../follow/drive-inspection.js';
import { padded } from '../print/padded.js';
import { anotherCopy } from '../print/retention-text.js';
import { stateText } from '../print/state-text.js';
import { stepName } from '../../workers/server/step-words.js';
import type { Session } from '../session.js';
import { shown, t } from '../../messages/shown.js';

/** `trace SET`: the progress of its groups, and what they wait for. */
export async function traceSet(session: Session, setId: string): Promise<void> {
  const catalog = await session.catalog();
  const set = await setNamed(catalog, setId);
  const summary = await summarizeSet(catalog, setId);
  const outlook = await outlookOf(session, setId);
  const findings =
    set.state === 'expired' ? [nothingLeft()] : await setFindings(session, set, summary, outlook);
  const events = (await eventsOf(catalog, setId, { limit: 100_000 })).filter(
    (event) => event.group_no === null,
  );
  if (session.json) {
    session.emit({
      setId,
      status: set.state,
      reason: set.reason,
      stages: summary.stages,
      events,
      findings,
      server: outlook.server,
      running: outlook.server && outlook.trouble === undefined,
      trouble: (finalSetStates.includes(set.state) ? undefined : outlook.trouble) ?? null,
      steps: outlook.steps,
    });
    return;
  }
  session.print(t`Set ${setId}: ${stateText({ status: set.state, reason: set.reason })}`);
  session.print(t`  workflow:  ${workflowText(set, outlook)}`);
  const recipients = recipientsOf(set);
  if (recipients !== undefined) session.print(t`  encrypted: to ${recipientsShown(recipients)}`);
  for (const event of events)
    session.print(
      `  ${formatTime(event.at)}  ${padded(stageText(event.stage), 22)} ${shown(event.detail ?? '')}`.trimEnd(),
    );
  printFindings(session, findings);
}

/** The catalog no longer has the groups of an expired set. */
function nothingLeft(): Finding {
  return {
    question: t`On tape?`,
    answer: t`no: the tapes that held it were erased, and nothing of it is left`,
    advice: shown(anotherCopy),
  };
}

async function setFindings(
  session: Session,
  set: SetRow,
  summary: SetSummary,
  outlook: Outlook,
): Promise<Finding[]> {
  const catalog = await session.catalog();
  const { stages, groups } = summary;
  const onTape = (stages.committed ?? 0) + (stages.released ?? 0);
  const notInFinal = await groupsIn(catalog, set.id, ['planned', 'compressing', 'compressed']);
  const notQueued = await groupsIn(catalog, set.id, ['promoted']);
  const notOnTape = await groupsIn(catalog, set.id, ['queued', 'writing', 'written']);
  const findings: Finding[] = [
    {
      question: t`Moved to final?`,
      answer:
        notInFinal.length === 0
          ? t`yes, all of ${formatCount(groups, 'group')} planned so far`
          : t`not yet ${formatNumber(notInFinal.length)} of ${formatCount(groups, 'group')}:
              ${formatRanges(notInFinal)}`,
      advice: notInFinal.length === 0 ? undefined : waitAdvice(set, outlook),
    },
    {
      question: t`Queued for the drive?`,
      answer:
        notQueued.length === 0
          ? t`all that are in final are`
          : t`waiting to be seen whole in final: groups ${formatRanges(notQueued)}`,
      advice:
        notQueued.length === 0
          ? undefined
          : t`Look into ${finalDir(session.settings.BACKUP_COMPRESS_DIR, set.id)}.`,
    },
    {
      question: t`On tape?`,
      answer: t`${formatNumber(onTape)} of ${formatCount(groups, 'archive is', 'archives are')} written, synced
        and committed${notOnTape.length === 0 ? '' : t`; not yet: ${formatRanges(notOnTape)}`}`,
      advice:
        notOnTape.length === 0
          ? undefined
          : set.reason === null
            ? waitAdvice(set, outlook)
            : shown(set.reason),
    },
    ...(await inspectDrives(session, set)).map(driveFinding),
  ];
  if (summary.failedGroups.length > 0) {
    findings.push({
      question: t`Failed groups?`,
      answer: summary.failedGroups
        .slice(0, 10)
        .map(({ group, reason }) => t`group ${group} at ${reason}`)
        .join(t`; `),
      advice: t`Fix the cause, then \`tapeflow retry ${set.id}\`.`,
    });
  }
  if (summary.skipped > 0) {
    findings.push({
      question: t`Skipped files?`,
      answer: t`not in the backup: ${formatCount(summary.skipped, 'entry', 'entries')}`,
      advice: t`\`tapeflow ls ${set.id} --skipped\` lists them with their reasons.`,
    });
  }
  return findings;
}

function workflowText(set: SetRow, outlook: Outlook): string {
  if (finalSetStates.includes(set.state)) return t`has ended`;
  if (!outlook.server)
    return t`no server runs; it goes on with the next \`tapeflow up\` or \`tapeflow backup\``;
  if (outlook.trouble !== undefined)
    return `${shown(`${outlook.trouble.finding}.`)} ${shown(outlook.trouble.advice)}`;
  const steps = outlook.steps.map(
    (step) => `${shown(stepName(step))}${step.started ? '' : t` (waits for a worker)`}`,
  );
  return t`runs; under way: ${steps.join(t`, `) || t`nothing at this moment`}`;
}
