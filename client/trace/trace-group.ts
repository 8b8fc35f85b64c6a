import path from 'node:path';
import { eventsOf, type RecordedEvent } from '../../catalog/groups/events.js';
import type { FileRow, ArchiveRow, GroupRow, SetRow, TapeRow } from '../../catalog/rows.js';
import { archiveOf, groupOf } from '../../catalog/groups/groups.js';
import { placesOf } from '../../catalog/sets/copy-places.js';
import { allCopiesOf } from '../../catalog/copies/tape-copies.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import { formatSeconds } from '../../config/durations.js';
import { formatBytes } from '../../config/sizes.js';
import { formatTime } from '../../config/local-time.js';
import { sizeOf } from '../../disk/durable-file.js';
import { finalDir, tempDir } from '../../staging/paths.js';
import { formatCount } from '../../config/counts.js';
import { stageText } from './stage-text.js';
import { inspectDrives, type DriveInspection } from '../follow/drive-inspection.js';
import {
  driveFinding,
  outlookOf,
  printFindings,
  waitAdvice,
  type Finding,
  type Outlook,
} from './findings.js';
import { jsonHash } from '../print/file-hash.js';
import { jsonPath, displayPath } from '../print/names.js';
import { padded } from '../print/padded.js';
import { stateText } from '../print/state-text.js';
import type { Session } from '../session.js';
import { shown, t } from '../../messages/shown.js';
import { english } from '../../messages/sentence.js';

/** `trace ARCHIVE|FILE`: where a group's archive is, in staging and on tapes; `file`: the requested file. */
export async function traceGroup(
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
              ...jsonHash(file),
              offset: file.tar_offset,
            },
      events,
      findings,
    });
    return;
  }
  if (file !== undefined) {
    const reason = file.reason === null ? '' : ` (${shown(file.reason)})`;
    const state =
      file.state === 'skipped'
        ? stateText({ status: file.state, reason: file.reason ?? '' })
        : `${shown(file.state)}${reason}`;
    session.print(`${displayPath(file.path)}${t` in set ${setId}: ${state}`}`);
  }
  session.print(
    t`Group ${no} of set ${setId}: ${stateText({ status: group.state, reason: group.reason })},
      ${formatCount(group.entries, 'entry', 'entries')}, ${formatBytes(group.bytes)}`,
  );
  if (archive !== undefined) {
    session.print(t`  ${archive.name}: ${formatBytes(archive.size)}, sha256 ${archive.sha256}`);
  }
  for (const event of events) {
    const [at, stage] = [formatTime(event.at), padded(stageText(event.stage), 14)];
    const line =
      event.ms === null
        ? `  ${at}  ${stage} ${detailOf(event)}`
        : t`  ${at}  ${stage} in ${formatSeconds(event.ms / 1000)} ${detailOf(event)}`;
    session.print(line.trimEnd());
  }
  printFindings(session, findings);
}

/** Details of an event; for a compression, the attempt that its `.part` file is named after. */
function detailOf({ stage, detail }: RecordedEvent): string {
  if (detail === null) return '';
  return stage === 'compressing' ? t`attempt ${detail}` : shown(detail);
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
  const failed = group.state === 'failed' ? t`Fix the cause, then \`tapeflow retry ${set.id}\`.` : undefined;
  const inFinal = ['promoted', 'queued', 'writing', 'written'].includes(group.state);
  const findings: Finding[] = [
    {
      question: t`Moved to final?`,
      answer: isDone
        ? group.direct === 1
          ? t`it went to tape directly, without staging`
          : t`it was, and was deleted there once it was safe on tape`
        : inFinal
          ? staged === undefined
            ? t`yes (but its file is not there any more: it is compressed again when the drive takes it)`
            : t`yes (${staged})`
          : t`no, it is ${group.state}${staged === undefined ? '' : ` (${staged})`}`,
      advice: isDone || inFinal ? undefined : (failed ?? waitAdvice(set, outlook)),
    },
    {
      question: t`Queued for the drive?`,
      answer: isDone || ['queued', 'writing', 'written'].includes(group.state) ? t`yes` : t`no`,
      advice:
        group.state === 'queued'
          ? shown(set.reason ?? english`It waits for the archives before it.`)
          : undefined,
    },
  ];
  const looks = await inspectDrives(session, set, archive?.name);
  findings.push(
    ...(await copyFindings(session, set, group, { archive, looks }, failed ?? waitAdvice(set, outlook))),
  );
  findings.push(...looks.map(driveFinding));
  return findings;
}

/** One finding for each copy of a group that is on tape or still to be made. */
async function copyFindings(
  session: Session,
  set: SetRow,
  group: GroupRow,
  { archive, looks }: { archive: ArchiveRow | undefined; looks: readonly DriveInspection[] },
  advice: string,
): Promise<Finding[]> {
  const catalog = await session.catalog();
  const rows = await allCopiesOf(catalog, set.id, group.no);
  const places = placesOf(set);
  const last = Math.max(places.length, ...rows.map((copy) => copy.copy_no));
  const findings: Finding[] = [];
  for (let copyNo = 1; copyNo <= last; copyNo += 1) {
    const copy = rows.find((row) => row.copy_no === copyNo);
    const question = last === 1 ? t`On tape?` : t`On tape? Copy ${copyNo}:`;
    if (copy === undefined) {
      const pool = places[copyNo - 1]?.pool ?? '';
      const answer = places.length > 1 ? t`no, it goes to pool ${pool}` : t`no`;
      const need = group.state === 'skipped' ? undefined : advice;
      findings.push({ question, answer, advice: need });
      continue;
    }
    const tape = await tapeByUuid(catalog, copy.tape_uuid);
    const name = tape?.name ?? copy.tape_uuid;
    const loaded = tape === undefined ? '' : onLoadedTape(looks, tape, archive);
    const verified = copy.verified_at === null ? '' : t`, verified ${formatTime(copy.verified_at)}`;
    const damage = copy.damage === null ? '' : t`; BUT it is damaged: ${copy.damage}`;
    findings.push({
      question,
      answer:
        copy.state === 'committed'
          ? t`yes: tape ${name}, committed ${formatTime(copy.committed_at ?? 0)}${verified}${loaded}${damage}`
          : t`not safely: ${copy.state} on tape ${name}`,
      advice:
        copy.state === 'written'
          ? t`It counts after the next sync of the tape.`
          : copy.damage === null
            ? undefined
            : t`\`tapeflow verify ${set.id} --repair\` writes it again from another copy.`,
    });
  }
  return findings;
}

/** Where the staged archive is, with its size; undefined when it is nowhere. */
async function stagedAt(root: string, setId: string, archive: ArchiveRow): Promise<string | undefined> {
  for (const folder of [finalDir(root, setId), tempDir(root, setId)]) {
    const file = path.join(folder, archive.name);
    const size = await sizeOf(file);
    if (size !== undefined)
      return `${file}${size === archive.size ? t`, whole` : t`, ${size} of ${archive.size} bytes`}`;
  }
  return undefined;
}

/** What the tape itself shows, if it is in a drive of the set. */
function onLoadedTape(
  looks: readonly DriveInspection[],
  tape: TapeRow,
  archive: ArchiveRow | undefined,
): string {
  const look = looks.find(({ loaded }) => 'row' in loaded && loaded.row.uuid === tape.uuid);
  if (look === undefined || archive === undefined) return '';
  const { archiveFile: file = '', archiveBytes: size } = look;
  if (size === archive.size) return t`; ${file} is there with its size`;
  return size === undefined
    ? t`; BUT ${file} is not there`
    : t`; BUT ${file} has ${size} instead of ${archive.size} bytes`;
}
