import { accessSync, constants, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { isFreshTarget } from '../../../archive/unpack/fresh-target.js';
import { planRestore } from '../../../catalog/retrievals/plan/plan-restore.js';
import { possibleLossNote } from '../../../catalog/rebuilt/rebuilt-sets.js';
import {
  insertRetrieval,
  unfinishedRetrievalLike,
  type NewRetrieval,
} from '../../../catalog/retrievals/retrievals.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { setNamed, setWithFiles } from '../../../catalog/sets/sets.js';
import { newestVersion, type NewestVersion } from '../../../catalog/files/newest-version.js';
import { pathsAround } from '../../../catalog/sets/taken-options.js';
import { TapeflowFailure, describeError, systemErrorCode, usageFailure } from '../../../config/failures.js';
import { ownFolderAround } from '../../../disk/own-folders.js';
import type { Settings } from '../../../config/settings/settings.js';
import { drivesToRead } from '../../../config/settings/drives.js';
import type { Selection } from '../../../entry/selection.js';
import { runRetrieval } from '../../follow/follow-retrieval.js';
import { memberNamesOf, requireGlob, displayPath } from '../../print/names.js';
import { inSession, userPath, type Session } from '../../session.js';
import { tapesInDrives } from '../../follow/drive-inspection.js';

interface RestoreFlags {
  target: string;
  include: string[];
  path?: string;
  overwrite: string;
  drive?: string;
}

const overwriteModes = ['never', 'if-newer', 'always'];

/** `restore SET --target DIR`: brings files of a set back from its tapes. */
export function addRestore(program: Command): void {
  const repeat = (value: string, before: string[]) => [...before, value];
  program
    .command('restore')
    .argument('<set>', 'the set, or `latest` with --path')
    .requiredOption('--target <folder>', 'folder to restore into; made when it does not exist')
    .option('--include <glob>', 'only this file or folder, or what matches; may be given again', repeat, [])
    .option('--path <path>', 'with `latest`: the newest set that holds this file or folder')
    .option(
      '--overwrite <when>',
      'replace files and links that are in the target already: never, if-newer or ' +
        'always; a folder that is there keeps its mode, owner and time unless always',
      'never',
    )
    .option('--drive <name>', 'read with this drive only (default: with any that has the tape)')
    .action((set: string, flags: RestoreFlags, command: Command) =>
      inSession(command, (session) => restore(session, set, flags)),
    );
}

async function restore(session: Session, setName: string, flags: RestoreFlags): Promise<void> {
  if (!overwriteModes.includes(flags.overwrite)) {
    throw usageFailure(
      'WrongOverwrite',
      `--overwrite cannot be ${JSON.stringify(flags.overwrite)}.`,
      'It is never, if-newer or always.',
    );
  }
  const { drive, any_drive, names } = drivesToRead(session.settings, flags.drive);
  const catalog = await session.catalog();
  const selection = selectionFrom(flags);
  const setId = await setToRestore(session, catalog, setName, flags);
  const set = await setNamed(catalog, setId);
  const target = openTarget(session.settings, flags.target);
  const wanted: NewRetrieval = {
    kind: 'restore',
    subject: setId,
    ...{ drive, any_drive },
    target,
    overwrite: flags.overwrite,
    selection: JSON.stringify(selection),
    fresh: Number(isFreshTarget(target, pathsAround(set))),
  };
  const doubt = possibleLossNote(set);
  if (doubt !== undefined) session.say(doubt);
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  const loaded = unfinished === undefined ? await tapesInDrives(session, names) : [];
  const retrieval = unfinished ?? (await planNew(catalog, setId, selection, wanted, loaded));
  await runRetrieval(session, retrieval, { attached: unfinished !== undefined });
}

async function planNew(
  catalog: Catalog,
  setId: string,
  selection: Selection,
  wanted: NewRetrieval,
  loaded: readonly string[],
) {
  const plan = await planRestore(catalog, setId, selection, loaded);
  if (plan.archives.length > 0) return insertRetrieval(catalog, wanted, plan.archives, plan.problems);
  const [problem] = plan.problems;
  const where = problem === undefined || problem.path === null ? '' : `${displayPath(problem.path)}: `;
  throw new TapeflowFailure(
    'NothingToRestore',
    problem !== undefined
      ? `${where}${problem.reason}`
      : `The set ${setId} holds nothing on tape that matches.`,
    { advice: `\`tapeflow ls ${setId}\` lists what it holds.` },
  );
}

/** A path without wildcards names a file or folder; everything else is a glob. */
function selectionFrom({ include, path }: RestoreFlags): Selection {
  const selection: Selection = { names: [], globs: [] };
  for (const given of [...include, ...(path === undefined ? [] : [path])]) {
    const isPath = given === path || /^[./~]|^[A-Za-z]:/.test(given);
    if (isPath && (given === path || !/[*?[]/.test(given))) selection.names.push(...memberNamesOf(given));
    else {
      requireGlob(given, '--include');
      selection.globs.push(given);
    }
  }
  selection.names = [...new Set(selection.names)].sort();
  return selection;
}

async function setToRestore(
  session: Session,
  catalog: Catalog,
  name: string,
  { path, include }: RestoreFlags,
): Promise<string> {
  if (name !== 'latest') {
    if (path !== undefined)
      throw usageFailure('WrongPath', '--path goes with `latest`.', 'Use --include with a set.');
    return (await setWithFiles(catalog, name)).id;
  }
  if (path === undefined || include.length > 0)
    throw usageFailure('NoPath', '`restore latest` needs --path, and takes no --include.');
  const found = await newestVersion(catalog, memberNamesOf(path));
  if (found !== undefined) {
    for (const note of versionNotes(found, path)) session.say(note);
    return found.setId;
  }
  throw new TapeflowFailure('NoSuchPath', `No set on tape holds ${userPath(path)}.`, {
    advice: '`tapeflow find GLOB` looks in all of them.',
  });
}

/** What there is to say of versions that are not whole. */
function versionNotes({ setId, isWhole, damaged }: NewestVersion, path: string): string[] {
  const where = userPath(path);
  if (!isWhole)
    return [`No set on tape holds ${where} whole; what the newest one, ${setId}, has of it is restored.`];
  return damaged.map(
    ({ setId: newer, reason }) =>
      `Set ${newer} is newer than ${setId}, but ${where} is not whole in it: ${reason.replace(/\.$/, '')}. ` +
      `\`tapeflow restore ${newer} --include ${where}\` restores what it has of it.`,
  );
}

/**
 * Creates a folder and its missing parents. One by one: Node's `recursive` never ends where the system accepts no
 * folders but reports them as missing, as in `/proc`.
 */
function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at))
    missing.unshift(at);
  for (const made of missing) {
    try {
      mkdirSync(made, 0o700);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
  }
}

/** The resolved path of the target, created if missing; throws a usage failure when it cannot be used. */
function openTarget(settings: Settings, given: string): string {
  const asked = userPath(given);
  const own = ownFolderAround(settings, asked);
  if (own !== undefined)
    throw usageFailure(
      'TargetIsOurs',
      `The target ${asked} lies in ${own.path}, which is ${own.what} of tapeflow.`,
      'Nothing was restored; give another folder.',
    );
  try {
    makeFolders(asked);
    const target = realpathSync(asked);
    if (!statSync(target).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(target, constants.W_OK | constants.X_OK);
    return target;
  } catch (error) {
    const code = systemErrorCode(error);
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'it is not a folder'
        : code === 'ENOENT'
          ? 'it does not exist, and cannot be made there'
          : describeError(error);
    throw usageFailure('WrongTarget', `The target ${asked} cannot be used: ${why}.`, 'Nothing was restored.');
  }
}
