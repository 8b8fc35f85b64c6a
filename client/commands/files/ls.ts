import type { Command } from 'commander';
import { fromBytes } from '../../../entry/byte-string.js';
import { fileRows } from '../../../catalog/files/files.js';
import type { FileRow } from '../../../catalog/rows.js';
import { listedFiles, type ListKind } from '../../../catalog/files/listed-files.js';
import type { Catalog } from '../../../catalog/open-catalog.js';
import { childrenOf, filesBelow } from '../../../catalog/files/search.js';
import { recipientsOf, recipientsShown } from '../../../catalog/sets/recipients.js';
import { setWithFiles } from '../../../catalog/sets/sets.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { jsonPath, memberNamesOf, displayPath } from '../../print/names.js';
import { RowPrinter } from '../../print/row-printer.js';
import { pathInSet } from '../../source-host.js';
import { inReadOnlySession, type Session } from '../../session.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

interface LsFlags {
  recursive?: true;
  skipped?: true;
  flagged?: true;
}

/** `ls SET [PATH]`: what a set holds, and where. */
export function addLs(program: Command): void {
  program
    .command('ls')
    .argument('<set>', 'the set')
    .argument('[path]', 'a file or folder of the sources')
    .option('-r, --recursive', 'for a folder, everything below it')
    .option('--skipped', 'only what is not completely in the backup, with the reason')
    .option('--flagged', 'only what is stored, but changed meanwhile, with the reason')
    .action((setId: string, path: string | undefined, flags: LsFlags, command: Command) =>
      inReadOnlySession(command, (session) => ls(session, setId, path, flags)),
    );
}

async function ls(session: Session, setId: string, given: string | undefined, flags: LsFlags): Promise<void> {
  const catalog = await session.catalog();
  const set = await setWithFiles(catalog, setId);
  const path = given === undefined ? undefined : await pathInSet(session, set, given);
  if (flags.skipped === true || flags.flagged === true) {
    if (flags.skipped === true) await printListed(session, catalog, setId, 'skipped', path);
    if (flags.flagged === true) await printListed(session, catalog, setId, 'flagged', path);
    return;
  }
  const recipients = recipientsOf(set);
  if (recipients !== undefined && path === undefined)
    session.say(t`Set ${setId} is encrypted to ${recipientsShown(recipients)}: an identity restores it.`);
  const print = new RowPrinter(session, catalog);
  let found = 0;
  for await (const page of pagesOf(catalog, setId, path, flags.recursive === true)) {
    for (const entry of page)
      await (entry instanceof Uint8Array ? print.above(setId, entry) : print.row(entry));
    found += page.length;
  }
  if (found === 0 && path !== undefined) {
    throw new TapeflowFailure('NoSuchPath', english`The set ${setId} holds nothing at ${path}.`, {
      advice: english`\`tapeflow ls ${setId}\` lists all that it holds.`,
    });
  }
}

/** The rows to list; a folder above a source, which is in no archive itself, is given by its name only. */
async function* pagesOf(
  catalog: Catalog,
  setId: string,
  path: string | undefined,
  recursive: boolean,
): AsyncGenerator<(FileRow | Uint8Array)[]> {
  if (path === undefined) {
    yield* filesBelow(catalog, setId, '');
    return;
  }
  for (const name of memberNamesOf(path)) {
    const itself = await fileRows(catalog, setId, name);
    if (itself.length > 0) yield itself;
    const folder = name === '' ? '' : `${name}/`;
    if (recursive) yield* filesBelow(catalog, setId, folder);
    else yield* childrenOf(catalog, setId, folder);
  }
}

/** Prints one of the two lists of entries with reasons, all of it or what is at a path. */
async function printListed(
  session: Session,
  catalog: Catalog,
  setId: string,
  kind: ListKind,
  path: string | undefined,
): Promise<void> {
  const names = path === undefined ? undefined : memberNamesOf(path);
  const isAsked = (name: string) =>
    names === undefined || names.some((at) => at === '' || name === at || name.startsWith(`${at}/`));
  for await (const page of listedFiles(catalog, setId, kind)) {
    for (const { path: name, state, reason } of page) {
      if (!isAsked(fromBytes(name))) continue;
      if (session.json) session.emit({ ...jsonPath(name), state, reason, list: kind });
      else session.print(`${displayPath(name)}: ${shown(reason ?? '')}`);
    }
  }
}
