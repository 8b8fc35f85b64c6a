import type { SetRow } from '../../catalog/rows.js';
import { TapeflowFailure, describeError } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import type { DriveInspection } from '../follow/drive-inspection.js';
import { stepName } from '../../workers/server/step-words.js';
import { pendingSteps, type PendingStep } from '../../workers/server/pending-steps.js';
import type { Session } from '../session.js';
import { whereServerRuns } from '../server.js';
import { joined } from '../../messages/joined.js';
import { troubleOf, type SetTrouble } from '../follow/set-health.js';
import { shown, t } from '../../messages/shown.js';

/** A question with its answer, and what to do about it. */
export interface Finding {
  question: string;
  answer: string;
  advice?: string | undefined;
}

/** Prints each question with its answer, and what is to be done. */
export function printFindings(session: Session, findings: readonly Finding[]): void {
  session.print('');
  for (const { question, answer, advice } of findings) {
    session.print(`  ${joined(question, answer)}`);
    if (advice !== undefined) session.print(`    → ${advice}`);
  }
}

/** What the history and the server say about a set. */
export interface Outlook {
  server: boolean;
  trouble: SetTrouble | undefined;
  steps: PendingStep[];
}

/** What can be said of a set now; without a server only that there is none. */
export async function outlookOf(session: Session, setId: string): Promise<Outlook> {
  const outlook = await whereServerRuns(session, async (server) => ({
    server: true,
    trouble: await troubleOf(server, setId),
    steps: await pendingSteps(server, setId),
  }));
  return outlook ?? { server: false, trouble: undefined, steps: [] };
}

/** Why something has not happened yet, and what the user can do about it. */
export function waitAdvice(set: SetRow, outlook: Outlook): string {
  if (set.state === 'paused') return t`It is paused: \`tapeflow resume ${set.id}\`.`;
  if (set.state === 'cancelled' || set.state === 'failed')
    return t`The set has ended: \`tapeflow retry ${set.id}\` goes on with it.`;
  if (!outlook.server) return t`Run \`tapeflow up\` or \`tapeflow backup\`: no server and no workers run.`;
  if (outlook.trouble !== undefined) return shown(outlook.trouble.advice);
  const stuck = outlook.steps.find((step) => step.lastFailure !== undefined);
  if (stuck !== undefined)
    return t`The step ${stepName(stuck)} is at attempt ${stuck.attempt};
      the last failure: ${stuck.lastFailure ?? ''}`;
  const waiting = outlook.steps.find((step) => !step.started);
  return waiting === undefined
    ? t`It is being worked on.`
    : t`The step ${stepName(waiting)} waits for a free worker.`;
}

/** Which tape is in a drive of the set. */
export function driveFinding({ drive, loaded }: DriveInspection): Finding {
  const question = t`Drive ${drive} mounted?`;
  if ('failure' in loaded) {
    const { failure } = loaded;
    if (!(failure instanceof TapeflowFailure)) return { question, answer: t`no: ${describeError(failure)}` };
    const { message, details } = failure;
    const advice = failure.advice === undefined ? undefined : shown(failure.advice);
    const answer = details['reason'] === 'silent' ? t`not known: ${message}` : t`no: ${message}`;
    return { question, answer, advice };
  }
  const { name, pool, state, free } = loaded.row;
  return {
    question,
    answer: t`yes, with tape ${name} of pool ${pool} (${state}, ${formatBytes(free)} free)`,
  };
}
