import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, type TestContext } from 'node:test';
import { Context } from '@temporalio/activity';
import { pino } from 'pino';
import {
  archiveActivities,
  compressActivities,
  sourceActivities,
  driveActivities,
  driveHostActivities,
} from '../../activities/index.js';
import type { Deps, DriveDeps } from '../../operations/deps.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import type { CopyPlace } from '../../catalog/sets/copy-places.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { openSet } from '../../catalog/sets/open-set.js';
import type { SetRow } from '../../catalog/rows.js';
import type { Session } from '../../client/session.js';
import { connectServer, setHandle, type Server } from '../../client/server.js';
import { startSet } from '../../workers/starts/start-set.js';
import { progressQuery, retryFailedUpdate, tapeLoadedUpdate } from '../../workflows/messages.js';
import type { Settings } from '../../config/settings/settings.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { messageKey } from '../../proof/key-file.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { openDrive } from '../../tape/drives/open-drive.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { tempFolder, writeTree } from './trees.js';
import { waitFor } from './wait-for.js';
import { WorkflowsAlone } from './workflows-alone.js';

type Activity = (...args: never[]) => Promise<unknown>;
type Ends = Pick<TestContext, 'after'>;

/** What holds an activity back, before it does anything. */
interface Gate {
  opened: Promise<void>;
  open: () => void;
  /** Attempts that stand before it. */
  waiting: number;
}

/** Events after which the server suggests that a run ends: several times those of a whole set. */
const eventsOfRun = 500;

const places: [CopyPlace, CopyPlace] = [
  { pool: 'A', drive: 'lto1' },
  { pool: 'B', drive: 'lto2' },
];

/**
 * Real sets on a real server, with the workers in this process and a catalog, staging and two tapes in folders: every
 * activity is the real one, and can be held back, so that a set stands still in any state. One for all tests of a file.
 */
export class LiveSets {
  private readonly gates = new Map<string, Gate>();

  private constructor(
    readonly alone: WorkflowsAlone,
    readonly settings: Settings,
    readonly catalog: Catalog,
    readonly server: Server,
    readonly source: string,
  ) {}

  static async start(t: Ends, more: Record<string, string> = {}): Promise<LiveSets> {
    const root = tempFolder(t as TestContext);
    const tapes = ['tape-a', 'tape-b'].map((name) => path.join(root, name));
    for (const tape of tapes) mkdirSync(tape);
    const config = path.join(root, 'tapeflow.config.json');
    const drives = { lto1: { path: tapes[0] }, lto2: { path: tapes[1] } };
    writeFileSync(config, JSON.stringify({ drives }));
    const dataDir = path.join(root, 'data');
    const alone = await WorkflowsAlone.start(
      (end) => t.after(end),
      'live',
      ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${eventsOfRun}`],
      messageKey(dataDir),
    );
    const env = {
      TEMPORAL_ADDRESS: alone.environment.address,
      TAPEFLOW_CONFIG: config,
      TAPEFLOW_INSTALLATION: 'live',
      TAPEFLOW_DATA_DIR: dataDir,
      BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
      TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
      HEARTBEAT_SECONDS: '5',
      RETRY_SECONDS: '1',
      TAPE_RETRY_SECONDS: '1',
      MAX_GROUP_SIZE: '100KB',
      STAGING_MAX_BYTES: '10MB',
      ...more,
    };
    const settings = loadSettings(env, root);
    const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
    t.after(() => catalog.destroy());
    const source = tempFolder(t as TestContext);
    for (const name of ['a', 'b', 'c']) writeTree(source, { [name]: Buffer.alloc(90_000, name) });
    const server = await connectServer(sessionOf(settings, catalog, []));
    t.after(() => server.close());
    const live = new LiveSets(alone, settings, catalog, server, source);
    await live.serve(t as TestContext);
    return live;
  }

  private async serve(t: TestContext): Promise<void> {
    const { settings, catalog, alone } = this;
    const deps: Deps = { settings, catalog, logger: pino({ level: 'silent' }) };
    await alone.serveArchive(
      t,
      this.gated({ ...archiveActivities(deps), ...sourceActivities(deps), ...compressActivities(deps) }),
    );
    for (const [index, driveSettings] of settings.drives.entries()) {
      const drive = openDrive(driveSettings);
      // As its worker does: a command lets that one do what it would do itself with a free drive.
      const lock = lockDrive(settings, driveSettings, 'tape worker');
      t.after(() => lock.release());
      const name = ['A1', 'B1'][index] ?? '';
      await labelTape(drive, lock, catalog, { name, pool: name.slice(0, 1), force: false });
      const driveDeps: DriveDeps = { ...deps, drive, lock };
      const activities = { ...driveActivities(driveDeps), ...driveHostActivities(driveDeps) };
      await alone.serveDrive(t, driveSettings.name, this.gated(activities));
    }
  }

  private gated(activities: Record<string, Activity>): Record<string, Activity> {
    const entries = Object.entries(activities).map(([name, run]): [string, Activity] => [
      name,
      async (...args) => {
        await this.pass(name);
        return run(...args);
      },
    ]);
    return Object.fromEntries(entries);
  }

  private async pass(name: string): Promise<void> {
    const gate = this.gates.get(name);
    if (gate === undefined) return;
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), 100);
    gate.waiting += 1;
    try {
      await Promise.race([gate.opened, context.cancelled]);
    } finally {
      gate.waiting -= 1;
      clearInterval(beat);
    }
  }

  /** Holds an activity back from now on, until it is let go. */
  hold(name: string): void {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.gates.set(name, { opened, open, waiting: 0 });
  }

  /** Waits until so many attempts of an activity are held. */
  async held(name: string, attempts = 1): Promise<void> {
    await waitFor(() => (this.gates.get(name)?.waiting ?? 0) >= attempts, `${name} to be held`);
  }

  /** Lets an activity go on; without a name all of them. */
  letGo(name?: string): void {
    for (const [one, gate] of this.gates) {
      if (name !== undefined && one !== name) continue;
      gate.open();
      this.gates.delete(one);
    }
  }

  /** Takes the tape out of a drive, or puts it back. */
  unload(drive: 'lto1' | 'lto2'): void {
    const folder = this.folderOf(drive);
    renameSync(folder, `${folder}.out`);
  }

  load(drive: 'lto1' | 'lto2'): void {
    const folder = this.folderOf(drive);
    renameSync(`${folder}.out`, folder);
  }

  private folderOf(drive: string): string {
    return this.settings.drives.find(({ name }) => name === drive)?.path ?? '';
  }

  /** Begins a set of so many copies; it has three groups. */
  async begin(copies: 1 | 2, more: Partial<Settings> = {}): Promise<string> {
    const options = snapshotOptions({ ...this.settings, ...more });
    const [first] = places;
    const wanted = {
      ...{ sources: [this.source], excludes: [], ...first, mode: 'full', direct: false, options },
      ...(copies === 2 ? { places } : {}),
    };
    const { set } = await openSet(this.catalog, wanted, { fresh: true });
    await startSet(this.server, this.catalog, set, { retry: false });
    return set.id;
  }

  set(setId: string): Promise<SetRow> {
    return setNamed(this.catalog, setId);
  }

  /** Waits until the catalog says that a set is in one of these states. */
  async comesTo(setId: string, ...states: string[]): Promise<void> {
    const what = `${setId} to be ${states.join()}`;
    await waitFor(async () => states.includes((await this.set(setId)).state), what).catch(
      async (error: unknown) => {
        const { state, reason } = await this.set(setId);
        const refused = JSON.stringify(this.alone.refused);
        const open = await setHandle(this.server, setId)
          .describe()
          .then(
            ({ status, raw }) =>
              `${status.name}, at work: ${(raw.pendingActivities ?? []).map((one) => `${one.activityType?.name} (attempt ${one.attempt})`).join()}`,
            (failure: unknown) => String(failure),
          );
        throw new Error(`it is ${state} (${reason ?? ''}); workflow ${open}; refused: ${refused}`, {
          cause: error,
        });
      },
    );
  }

  /** Waits until the scan of a set has ended. */
  async scanned(setId: string): Promise<void> {
    await waitFor(async () => (await this.set(setId)).scanned === 1, `${setId} to be scanned`);
  }

  /** Copies of archives that a set has committed. */
  async committed(setId: string): Promise<number> {
    const rows = await this.catalog
      .selectFrom('copies')
      .select('group_no')
      .where('set_id', '=', setId)
      .where('state', '=', 'committed')
      .execute();
    return rows.length;
  }

  /** Waits until so many copies of a set's archives are committed. */
  async comesToCommitted(setId: string, copies: number): Promise<void> {
    await waitFor(async () => (await this.committed(setId)) >= copies, `${setId} to commit ${copies} copies`);
  }

  /**
   * Brings a set of which groups are at work and one is parked to the end of its run: so many commands that its history
   * is long, and a retry, which would begin that group. It ends what it has begun, and goes on in another run.
   */
  async drain(setId: string): Promise<void> {
    const handle = setHandle(this.server, setId);
    while ((await handle.describe()).historyLength <= eventsOfRun)
      await Promise.all(Array.from({ length: 8 }, () => handle.executeUpdate(tapeLoadedUpdate)));
    await handle.executeUpdate(retryFailedUpdate);
    const phase = async () => (await handle.query(progressQuery)).phase;
    await waitFor(async () => (await phase()) === 'draining', `${setId} to drain`);
  }

  /** Promises all of staging to a set that nobody runs; or gives it back. */
  async takeStaging(id: string): Promise<void> {
    const options = snapshotOptions(this.settings);
    const wanted = { id, sources: ['/nowhere'], excludes: [], ...places[0], mode: 'full', direct: false };
    await openSet(this.catalog, { ...wanted, options }, { fresh: true });
    const empty = new Uint8Array();
    const numbers = { no: 1, bytes: 1, entries: 1, direct: 0, reserved: this.settings.STAGING_MAX_BYTES };
    const paths = { first_path: empty, last_path: empty };
    await this.catalog
      .insertInto('groups')
      .values({ set_id: id, state: 'planned', ...numbers, ...paths })
      .execute();
  }

  async giveStaging(id: string): Promise<void> {
    await this.catalog.deleteFrom('groups').where('set_id', '=', id).execute();
    await this.catalog.deleteFrom('sets').where('id', '=', id).execute();
  }

  /** Runs a command of the client in this process: what it prints, or the sentence with which it fails. */
  async command(run: (session: Session) => Promise<void>): Promise<{ said: string; failed: boolean }> {
    const lines: string[] = [];
    try {
      await run(sessionOf(this.settings, this.catalog, lines));
      return { said: lines.join('\n'), failed: false };
    } catch (error) {
      return { said: error instanceof Error ? error.message : String(error), failed: true };
    }
  }
}

function sessionOf(settings: Settings, catalog: Catalog, lines: string[]): Session {
  const note = (line: string) => void lines.push(line);
  const emit = (object: unknown) => note(JSON.stringify(object));
  return {
    ...{ settings, json: false, print: note, say: note, emit },
    catalog: async () => catalog,
    allDrives: async () => settings,
    settleHost: async () => undefined,
    close: async () => undefined,
  };
}

/** One `LiveSets` for all tests of a file, from before the first to after the last; to be asked for within a test. */
export function liveSetsOfFile(): () => LiveSets {
  const ends: (() => Promise<void> | void)[] = [];
  let live: LiveSets;
  before(async () => {
    live = await LiveSets.start({ after: (end) => void ends.push(end as () => Promise<void>) });
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return () => live;
}
