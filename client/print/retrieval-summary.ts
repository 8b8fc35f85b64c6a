import { stateWord } from '../../catalog/schema/state-words.js';
import { finalRetrievalStates } from '../../catalog/retrievals/retrievals.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import type { RetrievalSummary } from '../../catalog/retrievals/retrieval-summary.js';
import { formatSeconds } from '../../config/durations.js';
import { formatNumber } from '../../config/counts.js';
import { exitCodes } from '../exit-codes.js';
import { missingMarks } from '../follow/missing-marks.js';
import { jsonPath, displayPath } from './names.js';
import { stepLine } from '../../workers/server/step-words.js';
import type { PendingStep } from '../../workers/server/pending-steps.js';
import type { Session } from '../session.js';
import { unsetSentence } from './unset-sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Maximum number of problems printed; `--json` prints all. */
const problemsShown = 20;

/** Prints the result or progress of a retrieval. Sets the exit code if it has ended. */
export async function printRetrieval(
  session: Session,
  summary: RetrievalSummary,
  steps: readonly PendingStep[] = [],
): Promise<void> {
  const catalog = await session.catalog();
  const { id, kind, status, problems } = summary;
  if (finalRetrievalStates.includes(status)) process.exitCode = exitCodeOf(summary);
  // A verify of something that no longer exists has nothing to say about end marks.
  const marks =
    kind === 'verify' && finalRetrievalStates.includes(status)
      ? await missingMarks(catalog, summary.subject).catch(() => [])
      : [];
  if (session.json) {
    for (const { path, reason } of await problemsOf(catalog, id, Number.MAX_SAFE_INTEGER))
      session.emit({ ...(path === null ? {} : jsonPath(path)), problem: reason });
    const more = finalRetrievalStates.includes(summary.status) ? {} : { steps };
    session.emit({ ...summary, ...more, ...(marks.length === 0 ? {} : { notes: marks }) });
    return;
  }
  session.print('');
  session.print(`${id}${t`: `}${retrievalText(summary)}`);
  for (const line of steps.map(stepLine)) if (line !== undefined) session.print(t`  now: ${line}`);
  for (const { path, reason } of await problemsOf(catalog, id, problemsShown))
    session.print(`  ${path === null ? '' : `${displayPath(path)}${t`: `}`}${shown(reason)}`);
  if (problems > problemsShown)
    session.print(
      t`  … and ${formatNumber(problems - problemsShown)} more: \`tapeflow status ${id} --json\` lists all.`,
    );
  for (const sentence of [unsetSentence(summary.unset), ...marks])
    if (sentence !== undefined) session.print(shown(sentence));
}

/** What a retrieval has done, in a line. */
export function retrievalText(summary: RetrievalSummary): string {
  const { kind, status, reason, restored, same, kept, failed, seconds } = summary;
  const done = { restore: t` restored`, verify: t` compared`, copy: t` copied` }[kind];
  const more = [
    ...(same > 0 ? [`${formatNumber(same)}${t` already there`}`] : []),
    ...(kept > 0 ? [`${formatNumber(kept)}${t` kept, because what is there is not older`}`] : []),
    ...(failed > 0 ? [`${formatNumber(failed)}${t` failed`}`] : []),
  ];
  const state = `${shown(stateWord(status))}${reason === null ? '' : ` (${shown(reason)})`}`;
  const counts = [`${formatNumber(restored)}${done}`, ...more].join(t`, `);
  return `${state}${t` in ${formatSeconds(seconds)}`}${t`: `}${counts}`;
}

function exitCodeOf({ status, failed, problems, salvaged, unset }: RetrievalSummary): number {
  if (status === 'completed') return Object.keys(unset).length === 0 ? exitCodes.success : exitCodes.skipped;
  const isSalvaged = status === 'incomplete' && failed === 0 && problems === salvaged;
  return isSalvaged ? exitCodes.skipped : exitCodes.failure;
}
