import { isAbsolute } from 'node:path';
import { isFreshTarget } from '../../../archive/unpack/fresh-target.js';
import type { OpenedRead } from '../../../catalog/retrievals/open-read.js';
import { planRestore, type RetrievalPlan } from '../../../catalog/retrievals/plan/plan-restore.js';
import type { RetrievalProblem } from '../../../catalog/retrievals/retrieval-problems.js';
import { possibleLossNote } from '../../../catalog/rebuilt/rebuilt-sets.js';
import {
  insertRetrieval,
  unfinishedRetrievalLike,
  type NewRetrieval,
} from '../../../catalog/retrievals/retrievals.js';
import type { SetRow } from '../../../catalog/rows.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { pathsAround } from '../../../catalog/sets/taken-options.js';
import { shownHost } from '../../../catalog/sets/set-host.js';
import { setNamed } from '../../../catalog/sets/sets.js';
import { TapeflowFailure, usageFailure } from '../../../config/failures.js';
import { drivesToRead } from '../../../config/settings/drives.js';
import { onHost } from '../../../entry/host-path.js';
import { displayName, fromBytes } from '../../../entry/byte-string.js';
import type { Selection } from '../../../entry/selection.js';
import { collidingNames, type Refused } from '../../../operations/retrievals/colliding-names.js';
import { isOneFileSystem, lackOfRoom, roomNeeded } from '../../../operations/retrievals/restore-room.js';
import { identityPath, requireOpenable } from '../../encryption.js';
import { displayPath } from '../../print/names.js';
import { printPreview } from '../../print/restore-preview.js';
import type { Session } from '../../session.js';
import { ownerChoice, type OwnerFlags } from './owner-flags.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';
import { confirmed } from './confirm-original.js';
import { hostInSets, pathInSet } from '../../source-host.js';
import { askedSelection, type Asked, type SelectionFlags } from './restore-selection.js';
import { setToRestore } from './restore-set.js';
import { openTarget, requireTargetFlags, type TargetFlags } from './restore-target.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** Options of `restore`. */
export interface RestoreFlags extends SelectionFlags, TargetFlags, OwnerFlags {
  overwrite: string;
  drive?: string;
  before?: string;
  roomCheck: boolean;
  salvage?: true;
  identity?: string;
}

const overwriteModes = ['never', 'if-newer', 'always'];

/** The same paths and globs, without the host that may stand before each. */
async function withoutHosts(session: Session, set: SetRow, flags: RestoreFlags): Promise<RestoreFlags> {
  const { path, include } = flags;
  const plain = await Promise.all(include.map((one) => pathInSet(session, set, one)));
  return {
    ...flags,
    include: plain,
    ...(path === undefined ? {} : { path: await pathInSet(session, set, path) }),
  };
}

/**
 * Checks what is asked for, and makes the restore or finds the unfinished one that is the same; nothing reads for it
 * yet. Undefined, with what there is to say of it, for a dry run, and when the answer to its question was no.
 */
export async function beginRestore(
  session: Session,
  setName: string,
  flags: RestoreFlags,
): Promise<OpenedRead | undefined> {
  if (!overwriteModes.includes(flags.overwrite)) {
    throw usageFailure(
      'WrongOverwrite',
      english`--overwrite cannot be ${JSON.stringify(flags.overwrite)}.`,
      english`It is never, if-newer or always.`,
    );
  }
  requireTargetFlags(flags, mayAsk(session));
  const owners = ownerChoice(flags);
  const { drive, any_drive, names } = drivesToRead(await session.allDrives(), flags.drive);
  const catalog = await session.catalog();
  const setId = await setToRestore(session, catalog, setName, flags);
  const set = await setNamed(catalog, setId);
  const isOfHere = set.host === (await hostInSets(session, undefined));
  const origin = isOfHere ? undefined : ((await shownHost(catalog, set)) ?? undefined);
  if (flags.toOriginal === true && !isOfHere && origin === undefined)
    throw usageFailure(
      'OtherHost',
      english`Set ${setId} is of another host, of which nothing is known here.`,
      english`Give --to or --target.`,
    );
  const { target, host, isHere } = await openTarget(session, flags, origin);
  const asked = await askedSelection(catalog, setId, await withoutHosts(session, set, flags));
  const sources = pathsAround(set);
  const wanted: NewRetrieval = {
    kind: 'restore',
    subject: setId,
    ...{ drive, any_drive },
    target,
    target_host: host,
    // The other host resolves it, looks at what is there, and says what is wrong with it.
    ...(isHere ? {} : { target_asked: target, unchecked: Number(!flags.roomCheck) }),
    overwrite: flags.overwrite,
    identity_file: isHere ? identityPath(flags.identity) : pathThere(flags.identity),
    salvage: Number(flags.salvage === true),
    selection: JSON.stringify(asked.selection),
    owners: owners === null ? null : JSON.stringify(owners),
    fresh: Number(isHere && isFreshTarget(target, sources, asked.selection.strip)),
  };
  const doubt = possibleLossNote(set);
  if (doubt !== undefined) session.say(shown(doubt));
  const isDry = flags.dryRun === true;
  const unfinished = isDry ? undefined : await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) return { row: unfinished, attached: true };
  const plan = await planNew(catalog, wanted, asked, await tapesInDrives(session, names));
  if (isHere && !isDry) await requireOpenable(session, catalog, plan.archives, wanted.identity_file ?? null);
  const isFresh = wanted.fresh === 1 && isOneFileSystem(target, sources);
  const lack =
    flags.roomCheck && isHere
      ? await lackAt(catalog, wanted, asked.selection, isFresh ? plan : undefined)
      : undefined;
  if (isDry) {
    await printPreview(session, {
      setId,
      target: onHost(isHere ? null : host, target),
      selection: asked.selection,
      plan,
      salvage: flags.salvage === true,
      lack,
    });
    return undefined;
  }
  if (lack !== undefined) throw noRoom(lack);
  const members = plan.archives.reduce((sum, archive) => sum + archive.members, 0);
  const refused = isHere ? await refusedNames(catalog, wanted, asked.selection, members) : [];
  if (
    flags.toOriginal === true &&
    flags.yes !== true &&
    !(await confirmed(setId, members, flags.overwrite))
  ) {
    session.say(t`Nothing was restored.`);
    return undefined;
  }
  const row = await insertRetrieval(
    catalog,
    { ...wanted, refused: refused.length === 0 ? null : JSON.stringify(refused) },
    plan.archives,
    plan.problems,
  );
  return { row, attached: false };
}

/** The path of a file of identities on another host. */
function pathThere(given: string | undefined): string | null {
  if (given === undefined || isAbsolute(given)) return given ?? null;
  throw usageFailure(
    'WrongIdentity',
    english`--identity ${given} is a path on the host of the target, and not a whole one.`,
    english`Nothing was restored; begin it at the root.`,
  );
}

/** True where a question can be answered. */
function mayAsk(session: Session): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !session.json;
}

async function planNew(
  catalog: Catalog,
  { subject: setId }: NewRetrieval,
  { selection, missing }: Asked,
  loaded: readonly string[],
): Promise<RetrievalPlan> {
  const plan = await planRestore(catalog, setId, selection, loaded);
  if (plan.archives.length > 0) return { ...plan, problems: [...plan.problems, ...missing] };
  const [problem] = plan.problems;
  throw new TapeflowFailure(
    'NothingToRestore',
    problem === undefined ? nothingMatches(setId, missing) : problemText(problem),
    { advice: english`\`tapeflow ls ${setId}\` lists what it holds.` },
  );
}

function problemText({ path, reason }: RetrievalProblem): string {
  return path === null ? reason : english`/${displayName(fromBytes(path))}: ${reason}`;
}

function nothingMatches(setId: string, missing: readonly RetrievalProblem[]): string {
  const names = missing.flatMap(({ path }) => (path === null ? [] : [displayPath(path)]));
  const first = names.slice(0, 3).join(', ');
  const more = names.length - 3;
  if (names.length === 0) return english`The set ${setId} holds nothing on tape that matches.`;
  return more > 0
    ? english`The set ${setId} holds nothing on tape that matches ${first} and ${more} more.`
    : english`The set ${setId} holds nothing on tape that matches ${first}.`;
}

function lackAt(
  catalog: Catalog,
  { subject: setId, target, overwrite }: NewRetrieval,
  selection: Selection,
  whole: RetrievalPlan | undefined,
): Promise<string | undefined> {
  const sum = (what: 'bytes' | 'members') =>
    (whole?.archives ?? []).reduce((all, archive) => all + archive[what], 0);
  const fresh = whole === undefined ? undefined : { bytes: sum('bytes'), members: sum('members') };
  return roomNeeded(catalog, { setId, target: target ?? '', selection, overwrite, fresh }).then(lackOfRoom);
}

function noRoom(lack: string): TapeflowFailure {
  return new TapeflowFailure('NoRoom', lack, {
    advice: english`Nothing was restored; make room, give another target, or, where the file system compresses,
        add --no-room-check.`,
  });
}

/** Names that the target has no place for besides others. Where everything came from, each had its own. */
function refusedNames(
  catalog: Catalog,
  { subject: setId, target }: NewRetrieval,
  selection: Selection,
  members: number,
): Promise<Refused[]> {
  if (target === null || target === '/') return Promise.resolve([]);
  return collidingNames(catalog, { setId, target, selection, members });
}
