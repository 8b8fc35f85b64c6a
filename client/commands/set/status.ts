import type { Command } from 'commander';
import {
  finalRetrievalStates,
  isRetrievalId,
  unfinishedRetrievals,
} from '../../../catalog/retrievals/retrievals.js';
import { summarizeRetrieval } from '../../../catalog/retrievals/retrieval-summary.js';
import { finalSetStates } from '../../../catalog/schema/set-tables.js';
import { summarizeSet } from '../../../catalog/sets/set-summary.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import type { SetRow } from '../../../catalog/rows.js';
import { listSets, setNamed, unfinishedSets } from '../../../catalog/sets/sets.js';
import { hostAway, type HostAway } from '../../../catalog/hosts/hosts.js';
import { formatTime } from '../../../config/local-time.js';
import { describeError } from '../../../config/failures.js';
import { entryListsObject, printEntryLists } from '../../print/entry-lists.js';
import { exitCodeOf } from '../../print/set-summary.js';
import { hostLine, hostsAtWork } from '../../print/host-lines.js';
import { printRetrieval } from '../../print/retrieval-summary.js';
import { stepLine } from '../../../workers/server/step-words.js';
import { pendingReads, pendingSteps } from '../../../workers/server/pending-steps.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { findServer, type Server } from '../../server.js';
import { troubleOf } from '../../follow/set-health.js';
import { statusLines, statusObject } from '../../print/set-status.js';
import { shown, t } from '../../../messages/shown.js';

/** `status [SET]`: details of one set, or of all unfinished ones. */
export function addStatus(program: Command): void {
  program
    .command('status')
    .argument('[set]', 'the set, restore, verify or copy (default: every unfinished one, else the last set)')
    .action((id: string | undefined, _options, command: Command) =>
      inReadOnlySession(command, async (session) => {
        if (id === undefined || isRetrievalId(id)) await printRetrievals(session, id);
        if (id === undefined || !isRetrievalId(id)) await printStatus(session, id);
        if (id === undefined && !session.json) await printHosts(session);
      }),
    );
}

function whyAway({ since }: HostAway): string {
  return since === null
    ? t`which is known no more: a host that is called so again has its sources`
    : t`which has its sources: no archive worker there was heard of since ${formatTime(since)}`;
}

/** Who works where, if there are several hosts. */
async function printHosts(session: Session): Promise<void> {
  for (const one of await hostsAtWork(await session.catalog()))
    session.print(shown(hostLine(one, formatTime(one.host.heard_at))));
}

async function printRetrievals(session: Session, id: string | undefined): Promise<void> {
  const catalog = await session.catalog();
  const ids = id === undefined ? (await unfinishedRetrievals(catalog)).map((row) => row.id) : [id];
  let server: Server | undefined;
  try {
    for (const one of ids) {
      const summary = await summarizeRetrieval(catalog, one);
      const isOver = finalRetrievalStates.includes(summary.status);
      // The rest comes from the catalog, even while the server is away.
      if (!isOver) server ??= await findServer(session).catch(() => undefined);
      const steps = isOver || server === undefined ? [] : await pendingReads(server, one);
      await printRetrieval(session, summary, steps);
    }
  } finally {
    await server?.close();
  }
}

async function printStatus(session: Session, setId: string | undefined): Promise<void> {
  const catalog = await session.catalog();
  const wanted = await wantedSets(catalog, setId);
  if (wanted.length === 0) {
    if (!session.json) session.print(t`There are no sets yet.`);
    return;
  }
  let noServer = t`No server runs: the set goes on with the next \`tapeflow up\` or \`tapeflow backup\`.`;
  let server: Server | undefined;
  if (wanted.some((set) => !finalSetStates.includes(set.state))) {
    // The rest comes from the catalog, even while the server is away.
    server = await findServer(session).catch((error: unknown) => {
      noServer = `${shown(describeError(error))} ${t`The set goes on by itself when it does.`}`;
      return undefined;
    });
  }
  try {
    for (const set of wanted) await printSet(session, set, server ?? { away: noServer });
  } finally {
    await server?.close();
  }
  // For a single ended set, the exit code says how it ended.
  const [only] = wanted;
  if (setId !== undefined && only !== undefined && finalSetStates.includes(only.state))
    process.exitCode = exitCodeOf(await summarizeSet(catalog, only.id));
}

/** The set that is named, else every unfinished one, else the last. */
async function wantedSets(catalog: Catalog, setId: string | undefined): Promise<SetRow[]> {
  if (setId !== undefined) return [await setNamed(catalog, setId)];
  const unfinished = await unfinishedSets(catalog);
  return unfinished.length > 0 ? unfinished : (await listSets(catalog)).slice(0, 1);
}

/** Prints what one set has done and does now; `away`: why no server can say the latter. */
async function printSet(
  session: Session,
  { id, state, host }: SetRow,
  server: Server | { away: string },
): Promise<void> {
  const catalog = await session.catalog();
  const summary = await summarizeSet(catalog, id);
  const isOver = finalSetStates.includes(state);
  const isAway = 'away' in server;
  const away = isOver ? undefined : await hostAway(catalog, host);
  const steps = isAway ? [] : await pendingSteps(server, id);
  const trouble = isAway || isOver ? undefined : await troubleOf(server, id).catch(() => undefined);
  if (session.json) {
    const lists = await entryListsObject(catalog, id);
    session.emit({
      ...statusObject(summary),
      ...lists,
      ...(away === undefined ? {} : { away }),
      steps,
      trouble: trouble ?? null,
    });
    return;
  }
  for (const line of statusLines(summary)) session.print(line);
  for (const line of steps.map(stepLine)) if (line !== undefined) session.print(t`  now:       ${line}`);
  if (away !== undefined) session.print(t`  waits:     for host ${away.host}, ${whyAway(away)}`);
  if (trouble !== undefined) {
    session.print(t`  TROUBLE:   the set is unfinished, but ${trouble.finding}.`);
    session.print(`             → ${shown(trouble.advice)}`);
  }
  if (isAway && !isOver) session.print(`  ${server.away}`);
  await printEntryLists(session, summary);
}
