import path from 'node:path';
import type { Command } from 'commander';
import { escapeForTerminal } from '../entry/byte-string.js';
import { mayWrite, openForReading } from '../catalog/open-for-reading.js';
import { withDrivesOfHosts } from '../catalog/hosts/known-drives.js';
import { openCatalog, type Catalog } from '../catalog/open-catalog.js';
import type { Settings } from '../config/settings/settings.js';
import { settingsInForce } from '../config/settings/settings-in-force.js';
import { replaceOutdatedHost } from '../embedded/outdated-host.js';
import { printNote } from './print/note.js';
import { shown } from '../messages/shown.js';

/** The context of one command: settings, output, and what to close at the end. */
export interface Session {
  settings: Settings;
  json: boolean;
  /** Prints a line of the command's result. */
  print(line: string): void;
  /** Prints one JSON object on a line, with `--json`. */
  emit(object: unknown): void;
  /** Prints a note on stderr: a line for people, with `--json` an object with `note`. */
  say(sentence: string): void;
  catalog(): Promise<Catalog>;
  /** The settings, with the drives of other hosts too. */
  allDrives(): Promise<Settings>;
  /** Replaces an embedded server and workers of an older version, before the catalog is migrated. */
  settleHost(): Promise<void>;
  close(): Promise<void>;
}

/** The session of a command; `--json` may come before or after it. */
export function openSession(command: Command, open = openForWork): Session {
  const { json } = command.optsWithGlobals<{ json?: boolean }>();
  const settings = settingsInForce();
  let catalog: Promise<Catalog> | undefined;
  let settled: Promise<void> | undefined;
  const say = (sentence: string) => printNote(sentence, json === true);
  const opened = () => (catalog ??= open(settings, settleHost));
  const settleHost = () => (settled ??= replaceOutdatedHost(settings, (sentence) => say(shown(sentence))));
  return {
    settings,
    json: json === true,
    // Names of sources, tapes and folders may contain terminal escapes.
    print: (line) => void process.stdout.write(`${escapeForTerminal(line)}\n`),
    emit: (object) => void process.stdout.write(`${JSON.stringify(object)}\n`),
    say,
    settleHost,
    catalog: opened,
    allDrives: () => withDrivesOfHosts(settings, opened),
    async close() {
      await (await catalog)?.destroy();
    },
  };
}

type Open = (settings: Settings, settleHost: () => Promise<void>) => Promise<Catalog>;

const openForWork: Open = (settings, settleHost) =>
  settleHost().then(() => openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR));

/** Writes nothing, except that a catalog of an older version is migrated if the user may write. */
export const openToRead: Open = (settings, settleHost) =>
  openForReading(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR, () => openForWork(settings, settleHost));

/** Runs a command that only reads the catalog: whoever may read its files can run it. */
export async function inReadOnlySession(
  command: Command,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  await inSession(command, run, openToRead);
}

/** The same for a command that also writes if its user may. */
export async function inReadWriteSession(
  command: Command,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  await inSession(command, run, (settings, settleHost) =>
    (mayWrite(settings.CATALOG_URL) ? openForWork : openToRead)(settings, settleHost),
  );
}

/** Runs the work of a command in a session, which is closed at the end. */
export async function inSession(
  command: Command,
  run: (session: Session) => Promise<void>,
  open?: Open,
): Promise<void> {
  const session = openSession(command, open);
  try {
    await run(session);
  } finally {
    await session.close();
  }
}

/** Resolves a path given by the user: relative to their working directory, even under `npm run`, which changes it. */
export function userPath(given: string): string {
  return path.resolve(process.env['INIT_CWD'] ?? process.cwd(), given);
}
