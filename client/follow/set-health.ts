import { unfinishedSets } from '../../catalog/sets/sets.js';
import { workflowTrouble, type WorkflowTrouble } from '../../workers/server/workflow-trouble.js';
import { backupWorkflowId } from '../../workflows/workflow-ids.js';
import type { Session } from '../session.js';
import { setHandle, whereServerRuns, type Server } from '../server.js';
import { english } from '../../messages/sentence.js';

/** Why an unfinished set makes no progress, and what to do about it. */
export interface SetTrouble extends WorkflowTrouble {
  advice: string;
}

/** What is wrong with an unfinished set's workflow, if it cannot continue on its own; undefined when it can. */
export async function troubleOf(server: Server, setId: string): Promise<SetTrouble | undefined> {
  const trouble = await workflowTrouble(server, backupWorkflowId(setId, server.installation));
  if (trouble === undefined) return undefined;
  const { runId: _, ...rest } = trouble;
  const advice =
    trouble.kind === 'stuck' || !server.isLookedAfter
      ? english`\`tapeflow resume ${setId}\` resumes it from the catalog.`
      : english`Workers resume it automatically within a few minutes;
          \`tapeflow resume ${setId}\` resumes it at once.`;
  return { ...rest, advice };
}

/** Terminates the stuck workflow of a set, so that another can be started. Its steps stop at their next heartbeat. */
async function terminateStuck(server: Server, setId: string, trouble: SetTrouble): Promise<void> {
  await setHandle(server, setId).terminate(`tapeflow: ${trouble.finding}`);
}

/** Unfinished sets that the running server does not process, or that are stuck. */
export async function troubledSets(session: Session): Promise<{ setId: string; trouble: SetTrouble }[]> {
  const unfinished = await unfinishedSets(await session.catalog());
  if (unfinished.length === 0) return [];
  const troubled: { setId: string; trouble: SetTrouble }[] = [];
  await whereServerRuns(session, async (server) => {
    for (const { id } of unfinished) {
      const trouble = await troubleOf(server, id);
      if (trouble !== undefined) troubled.push({ setId: id, trouble });
    }
  });
  return troubled;
}

/** Terminates a stuck workflow, which cannot receive commands; the catalog knows what it has done. */
export async function endIfStuck(server: Server, setId: string): Promise<void> {
  const trouble = await troubleOf(server, setId);
  if (trouble?.kind === 'stuck') await terminateStuck(server, setId, trouble);
}
