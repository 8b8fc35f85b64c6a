import { selectedFiles } from '../../catalog/files/selected-files.js';
import type { RetrievalPlan } from '../../catalog/retrievals/plan/plan-restore.js';
import { notWholeReason } from '../../catalog/files/whole-rows.js';
import { tapeByUuid } from '../../catalog/tapes/tapes.js';
import type { FileRow } from '../../catalog/rows.js';
import { formatCount } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { fromBytes } from '../../entry/byte-string.js';
import { strippedName } from '../../entry/member-name.js';
import type { Selection } from '../../entry/selection.js';
import { exitCodes } from '../exit-codes.js';
import type { Session } from '../session.js';
import { displayPath, jsonName, jsonPath } from './names.js';
import { shown, t } from '../../messages/shown.js';

/** A restore that was planned and is not done. */
export interface Preview {
  setId: string;
  target: string;
  selection: Selection;
  plan: RetrievalPlan;
  /** True when what is not whole is restored as far as it goes, and that is meant. */
  salvage: boolean;
  /** Why the target has no room for it. */
  lack: string | undefined;
}

/** Prints what a restore would bring back, how much, and from which tapes. Sets the exit code that it would have. */
export async function printPreview(session: Session, preview: Preview): Promise<void> {
  const { setId, target, selection, plan, salvage, lack } = preview;
  const catalog = await session.catalog();
  let notWhole = 0;
  for await (const page of selectedFiles(catalog, setId, selection))
    for (const row of page) {
      if (row.tar_offset === null) continue;
      printEntry(session, row, selection.strip ?? 0);
      if (row.state !== 'skipped') continue;
      notWhole += 1;
      printProblem(session, row.path, notWholeReason(row));
    }
  const tapes = new Map<string, { archives: number; bytes: number }>();
  for (const { tape: uuid, bytes } of plan.archives) {
    const name = (await tapeByUuid(catalog, uuid))?.name ?? uuid;
    const sum = tapes.get(name) ?? { archives: 0, bytes: 0 };
    tapes.set(name, { archives: sum.archives + 1, bytes: sum.bytes + bytes });
  }
  const total = (what: 'members' | 'bytes') => plan.archives.reduce((sum, archive) => sum + archive[what], 0);
  const problems = plan.problems.length + notWhole;
  if (plan.problems.length > 0 || lack !== undefined || (notWhole > 0 && !salvage))
    process.exitCode = exitCodes.failure;
  else if (notWhole > 0) process.exitCode = exitCodes.skipped;
  for (const { path, reason } of plan.problems) printProblem(session, path, reason);
  if (session.json) {
    session.emit({
      ...{ dryRun: true, subject: setId, target, members: total('members'), bytes: total('bytes') },
      ...{ archives: plan.archives.length, problems, lack: lack ?? null },
      tapes: [...tapes].map(([name, sum]) => ({ name, ...sum })),
    });
    return;
  }
  session.print(
    t`A restore of ${setId} to ${target} would bring back
      ${formatCount(total('members'), 'entry', 'entries')}, ${formatBytes(total('bytes'))}, from these tapes:`,
  );
  for (const [name, { archives, bytes }] of tapes)
    session.print(`  ${name}${t`: `}${shown(formatCount(archives, 'archive'))}${t`, `}${formatBytes(bytes)}`);
  if (lack !== undefined) session.print(shown(lack));
}

function printProblem(session: Session, path: Uint8Array | null, reason: string): void {
  if (session.json) session.emit({ ...(path === null ? {} : jsonPath(path)), problem: reason });
  else session.print(`${path === null ? '' : `${displayPath(path)}${t`: `}`}${shown(reason)}`);
}

function printEntry(session: Session, row: FileRow, strip: number): void {
  const place = strippedName(fromBytes(row.path), strip) ?? '';
  if (session.json)
    session.emit({ ...jsonPath(row.path), ...jsonName('place', place), type: row.type, size: row.size });
  else session.print(displayPath(row.path));
}
