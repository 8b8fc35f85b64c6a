import path from 'node:path';
import type { Command } from 'commander';
import { eventsOf } from '../../catalog/events.js';
import { fileEverywhere, holderOf, type FileRow } from '../../catalog/files.js';
import { archiveOf, groupOf, type ArchiveRow, type GroupRow } from '../../catalog/groups.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { finalSetStates } from '../../catalog/schema.js';
import { isSetId, setNamed, summarizeSet, type SetRow } from '../../catalog/sets.js';
import { allCopiesOf, placesOf } from '../../catalog/set-copies.js';
import { tapeByUuid, type TapeRow } from '../../catalog/tapes.js';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import { driveNamed } from '../../config/settings.js';
import { formatBytes, formatSeconds } from '../../config/sizes.js';
import { sizeOf } from '../../staging/durable-file.js';
import { finalDir, parseArchiveName, tempDir } from '../../staging/paths.js';
import { openDrive } from '../../tape/drive.js';
import { identifyTape } from '../../tape/loaded-tape.js';
import { numberRanges } from '../events.js';
import { jsonPath, memberNamesOf, shownPath } from '../names.js';
import { pendingSteps, type PendingStep } from '../pending-steps.js';
import { findServer, inSession, userPath, type Session } from '../session.js';
import { troubleOf, type SetTrouble } from '../set-health.js';
import { formatTime } from '../table.js';

/** `trace SET|ARCHIVE|FILE`: where it is, what it waits for, and what to do, from catalog, history and disk. */
export function addTrace(program: Command): void {
  program
    .command('trace')
    .description('where is a set, an archive or a source file: in final? queued? on tape? and what to do')
    .argument('<set|archive|file>', 'a set id, the name of an archive, or the path of a source file')
    .action((what: string, _options, command: Command) =>
      inSession(command, (session) => trace(session, what)),
    );
}

async function trace(session: Session, what: string): Promise<void> {
  const archive = parseArchiveName(path.basename(what));
  // A source file may be called like an archive of ours.
  const files = isSetId(what) ? [] : await filesNamed(session, what);
  if (files.length > 0) {
    for (const row of files) {
      if (row.state === 'unchanged') await traceUnchanged(session, row);
      else await traceGroup(session, row.set_id, row.group_no, row);
    }
  } else if (archive !== undefined) {
    await setNamed(await session.catalog(), archive.setId);
    await traceGroup(session, archive.setId, archive.group, undefined);
  } else if (isSetId(what)) {
    await traceSet(session, what);
  } else {
    throw usageFailure(
      'NotTraced',
      `No set, no archive and no path that any set has seen is called ${what} (looked for ${userPath(what)}).`,
      '`tapeflow sets` lists sets; `tapeflow find NAME` finds files.',
    );
  }
}

/** What the history and the server say about a set. */
interface Outlook {
  server: boolean;
  trouble: SetTrouble | undefined;
  steps: PendingStep[];
}

async function outlookOf(session: Session, setId: string): Promise<Outlook> {
  const server = await findServer(session);
  if (server === undefined) return { server: false, trouble: undefined, steps: [] };
  try {
    return {
      server: true,
      trouble: await troubleOf(server, setId),
      steps: await pendingSteps(server, setId),
    };
  } finally {
    await server.close();
  }
}

/** One answer: what was asked, what is so, and what to do about it. */
interface Finding {
  question: string;
  answer: string;
  advice?: string | undefined;
}

async function traceSet(session: Session, setId: string): Promise<void> {
  const catalog = await session.catalog();
  const set = await setNamed(catalog, setId);
  const summary = await summarizeSet(catalog, setId);
  const outlook = await outlookOf(session, setId);
  const { stages } = summary;
  const sum = (...names: (keyof typeof stages)[]) =>
    names.reduce((total, name) => total + (stages[name] ?? 0), 0);
  const notInFinal = await groupsIn(catalog, setId, ['planned', 'compressing', 'compressed']);
  const notQueued = await groupsIn(catalog, setId, ['promoted']);
  const notOnTape = await groupsIn(catalog, setId, ['queued', 'writing', 'written']);
  const findings: Finding[] = [
    {
      question: 'Moved to final?',
      answer:
        notInFinal.length === 0
          ? `all ${summary.groups} groups planned so far are`
          : `${notInFinal.length} of ${summary.groups} groups are not yet: ${numberRanges(notInFinal)}`,
      advice: notInFinal.length === 0 ? undefined : waitAdvice(set, outlook),
    },
    {
      question: 'Queued for the drive?',
      answer:
        notQueued.length === 0
          ? 'all that are in final are'
          : `waiting to be seen whole in final: groups ${numberRanges(notQueued)}`,
      advice:
        notQueued.length === 0
          ? undefined
          : `Look into ${finalDir(session.settings.BACKUP_COMPRESS_DIR, setId)}.`,
    },
    {
      question: 'On tape?',
      answer: `${sum('committed', 'released')} of ${summary.groups} archives are written, synced and committed${notOnTape.length === 0 ? '' : `; not yet: ${numberRanges(notOnTape)}`}`,
      advice: notOnTape.length === 0 ? undefined : (set.reason ?? waitAdvice(set, outlook)),
    },
    await driveFinding(session, set),
  ];
  if (summary.failedGroups.length > 0) {
    findings.push({
      question: 'Failed groups?',
      answer: summary.failedGroups
        .slice(0, 10)
        .map(({ group, reason }) => `group ${group} at ${reason}`)
        .join('; '),
      advice: `Mend the reason, then \`tapeflow retry ${setId}\`.`,
    });
  }
  if (summary.skipped > 0) {
    findings.push({
      question: 'Skipped files?',
      answer: `${summary.skipped} entries are not in the backup`,
      advice: `\`tapeflow ls ${setId} --skipped\` lists them with their reasons.`,
    });
  }
  const events = (await eventsOf(catalog, setId, { limit: 100_000 })).filter(
    (event) => event.group_no === null,
  );
  if (session.json) {
    session.emit({
      setId,
      status: set.state,
      reason: set.reason,
      stages,
      events,
      findings,
      server: outlook.server,
      running: outlook.server && outlook.trouble === undefined,
      trouble: (finalSetStates.includes(set.state) ? undefined : outlook.trouble) ?? null,
      steps: outlook.steps,
    });
    return;
  }
  session.print(
    `Set ${setId}: ${set.state.replaceAll('_', ' ')}${set.reason === null ? '' : `: ${set.reason}`}`,
  );
  session.print(`  workflow:  ${workflowText(set, outlook)}`);
  for (const event of events)
    session.print(`  ${formatTime(event.at)}  ${event.stage.padEnd(22)} ${event.detail ?? ''}`.trimEnd());
  printFindings(session, findings);
}

async function groupsIn(catalog: Catalog, setId: string, states: GroupRow['state'][]): Promise<number[]> {
  const rows = await catalog
    .selectFrom('groups')
    .select('no')
    .where('set_id', '=', setId)
    .where('state', 'in', states)
    .orderBy('no')
    .execute();
  return rows.map((row) => row.no);
}

function workflowText(set: SetRow, outlook: Outlook): string {
  if (finalSetStates.includes(set.state)) return 'has ended';
  if (!outlook.server) return 'no server runs; it goes on with the next `tapeflow up` or `tapeflow backup`';
  if (outlook.trouble !== undefined) return `${outlook.trouble.finding}. ${outlook.trouble.advice}`;
  const steps = outlook.steps.map(
    (step) =>
      `${step.activity}${step.details.group === undefined ? '' : ` ${step.details.group}`}${step.started ? '' : ' (waits for a worker)'}`,
  );
  return `runs; under way: ${steps.join(', ') || 'nothing at this moment'}`;
}

function waitAdvice(set: SetRow, outlook: Outlook): string {
  if (set.state === 'paused') return `It is paused: \`tapeflow resume ${set.id}\`.`;
  if (set.state === 'cancelled' || set.state === 'failed')
    return `The set has ended: \`tapeflow retry ${set.id}\` goes on with it.`;
  if (!outlook.server) return 'Run `tapeflow up` or `tapeflow backup`: no server and no workers run.';
  if (outlook.trouble !== undefined) return `${outlook.trouble.advice}`;
  const stuck = outlook.steps.find((step) => step.lastFailure !== undefined);
  if (stuck !== undefined)
    return `${stuck.activity} was tried ${stuck.attempt} times; the last failure: ${stuck.lastFailure ?? ''}`;
  const waiting = outlook.steps.find((step) => !step.started);
  return waiting === undefined ? 'It is being worked on.' : `${waiting.activity} waits for a free worker.`;
}

async function driveFinding(session: Session, set: SetRow): Promise<Finding> {
  const question = `Drive ${set.drive} mounted?`;
  try {
    const drive = openDrive(driveNamed(session.settings, set.drive));
    const { row } = await identifyTape(drive, await session.catalog());
    return {
      question,
      answer: `yes, with tape ${row.name} of pool ${row.pool} (${row.state}, ${formatBytes(row.free)} free)`,
    };
  } catch (error) {
    if (!(error instanceof TapeflowFailure)) return { question, answer: `no: ${describeError(error)}` };
    return { question, answer: `no: ${error.message}`, advice: error.advice };
  }
}

function printFindings(session: Session, findings: readonly Finding[]): void {
  session.print('');
  for (const { question, answer, advice } of findings) {
    session.print(`  ${question} ${answer}`);
    if (advice !== undefined) session.print(`    → ${advice}`);
  }
}

/** Every set's row of a source path, as a file and as a folder. */
async function filesNamed(session: Session, what: string): Promise<FileRow[]> {
  const catalog = await session.catalog();
  const rows: FileRow[] = [];
  for (const name of memberNamesOf(what))
    rows.push(...(await fileEverywhere(catalog, name)), ...(await fileEverywhere(catalog, `${name}/`)));
  return rows;
}

/** Says which archive holds an unchanged file; that set's own row of it tells the rest. */
async function traceUnchanged(session: Session, row: FileRow): Promise<void> {
  const { setId, group } = holderOf(row);
  const archive = (await archiveOf(await session.catalog(), setId, group))?.name ?? null;
  if (session.json) {
    const { state, sha256, tar_offset: offset } = row;
    session.emit({ setId: row.set_id, file: { ...jsonPath(row.path), state, sha256, offset }, archive });
    return;
  }
  session.print(
    `${shownPath(row.path)} in set ${row.set_id}: unchanged since set ${setId}, in ${archive ?? 'an archive that is gone'}`,
  );
}

async function traceGroup(
  session: Session,
  setId: string,
  no: number,
  file: FileRow | undefined,
): Promise<void> {
  const catalog = await session.catalog();
  const set = await setNamed(catalog, setId);
  const group = await groupOf(catalog, setId, no);
  const archive = await archiveOf(catalog, setId, no);
  const events = await eventsOf(catalog, setId, { group: no });
  const outlook = await outlookOf(session, setId);
  const findings = await groupFindings(session, set, group, archive, outlook);
  if (session.json) {
    const { state, reason, bytes, entries } = group;
    session.emit({
      setId,
      group: no,
      state,
      reason,
      bytes,
      entries,
      archive:
        archive === undefined ? null : { name: archive.name, size: archive.size, sha256: archive.sha256 },
      file:
        file === undefined
          ? null
          : {
              ...jsonPath(file.path),
              state: file.state,
              reason: file.reason,
              sha256: file.sha256,
              offset: file.tar_offset,
            },
      events,
      findings,
    });
    return;
  }
  if (file !== undefined) {
    const what =
      file.state === 'skipped'
        ? `skipped: ${file.reason ?? ''}`
        : `${file.state}${file.reason === null ? '' : ` (${file.reason})`}`;
    session.print(`${shownPath(file.path)} in set ${setId}: ${what}`);
  }
  session.print(
    `Group ${no} of set ${setId}: ${group.state}${group.reason === null ? '' : `: ${group.reason}`}, ${group.entries} entries, ${formatBytes(group.bytes)}`,
  );
  if (archive !== undefined) {
    session.print(`  ${archive.name}: ${formatBytes(archive.size)}, sha256 ${archive.sha256}`);
  }
  for (const event of events) {
    const took = event.ms === null ? '' : ` in ${formatSeconds(event.ms / 1000)}`;
    session.print(
      `  ${formatTime(event.at)}  ${event.stage.padEnd(14)}${took} ${event.detail ?? ''}`.trimEnd(),
    );
  }
  printFindings(session, findings);
}

async function groupFindings(
  session: Session,
  set: SetRow,
  group: GroupRow,
  archive: ArchiveRow | undefined,
  outlook: Outlook,
): Promise<Finding[]> {
  const root = session.settings.BACKUP_COMPRESS_DIR;
  const staged = archive === undefined ? undefined : await stagedAt(root, set.id, archive);
  const isDone = group.state === 'committed' || group.state === 'released';
  const failed = group.state === 'failed' ? `Mend the reason, then \`tapeflow retry ${set.id}\`.` : undefined;
  const inFinal = ['promoted', 'queued', 'writing', 'written'].includes(group.state);
  const findings: Finding[] = [
    {
      question: 'Moved to final?',
      answer: isDone
        ? group.direct === 1
          ? 'it went to tape directly, without staging'
          : 'it was, and was deleted there once it was safe on tape'
        : inFinal
          ? `yes (${staged ?? 'but its file is not there any more: it is compressed again when the drive takes it'})`
          : `no, it is ${group.state}${staged === undefined ? '' : ` (${staged})`}`,
      advice: isDone || inFinal ? undefined : (failed ?? waitAdvice(set, outlook)),
    },
    {
      question: 'Queued for the drive?',
      answer: isDone || ['queued', 'writing', 'written'].includes(group.state) ? 'yes' : 'no',
      advice: group.state === 'queued' ? (set.reason ?? 'It waits for the archives before it.') : undefined,
    },
  ];
  findings.push(...(await copyFindings(session, set, group, archive, failed ?? waitAdvice(set, outlook))));
  findings.push(await driveFinding(session, set));
  return findings;
}

/** One finding for each copy of a group that is on a tape, or that the set is to make. */
async function copyFindings(
  session: Session,
  set: SetRow,
  group: GroupRow,
  archive: ArchiveRow | undefined,
  advice: string,
): Promise<Finding[]> {
  const catalog = await session.catalog();
  const rows = await allCopiesOf(catalog, set.id, group.no);
  const places = placesOf(set);
  const last = Math.max(places.length, ...rows.map((copy) => copy.copy_no));
  const findings: Finding[] = [];
  for (let copyNo = 1; copyNo <= last; copyNo += 1) {
    const copy = rows.find((row) => row.copy_no === copyNo);
    const question = last === 1 ? 'On tape?' : `On tape? Copy ${copyNo}:`;
    if (copy === undefined) {
      const pool = places.length > 1 ? `, it goes to pool ${places[copyNo - 1]?.pool ?? ''}` : '';
      const need = group.state === 'skipped' ? undefined : advice;
      findings.push({ question, answer: `no${pool}`, advice: need });
      continue;
    }
    const tape = await tapeByUuid(catalog, copy.tape_uuid);
    const name = tape?.name ?? copy.tape_uuid;
    const loaded = tape === undefined ? '' : await onLoadedTape(session, set, tape, archive);
    const damage = copy.damage === null ? '' : `; BUT it is damaged: ${copy.damage}`;
    findings.push({
      question,
      answer:
        copy.state === 'committed'
          ? `yes: tape ${name}, committed ${formatTime(copy.committed_at ?? 0)}${loaded}${damage}`
          : `not safely: ${copy.state} on tape ${name}`,
      advice:
        copy.state === 'written'
          ? 'It counts after the next sync of the tape.'
          : copy.damage === null
            ? undefined
            : `\`tapeflow verify ${set.id} --repair\` writes it anew from another copy.`,
    });
  }
  return findings;
}

/** Where the staged archive is, with its size; undefined when nowhere. */
async function stagedAt(root: string, setId: string, archive: ArchiveRow): Promise<string | undefined> {
  for (const folder of [finalDir(root, setId), tempDir(root, setId)]) {
    const file = path.join(folder, archive.name);
    const size = await sizeOf(file);
    if (size !== undefined)
      return `${file}, ${size === archive.size ? 'whole' : `${size} of ${archive.size} bytes`}`;
  }
  return undefined;
}

/** What the disk says, when the tape is in the drive. */
async function onLoadedTape(
  session: Session,
  set: SetRow,
  tape: TapeRow,
  archive: ArchiveRow | undefined,
): Promise<string> {
  try {
    const drive = openDrive(driveNamed(session.settings, set.drive));
    const loaded = await identifyTape(drive, await session.catalog());
    if (loaded.row.uuid !== tape.uuid || archive === undefined) return '';
    const file = path.join(drive.settings.path, set.id, archive.name);
    const size = await sizeOf(file);
    if (size === archive.size) return `; ${file} is there with its size`;
    return `; BUT ${file} ${size === undefined ? 'is not there' : `has ${size} instead of ${archive.size} bytes`}`;
  } catch {
    return '';
  }
}
