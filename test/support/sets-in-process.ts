import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { pino } from 'pino';
import { compressGroup } from '../../activities/set/compress-group.js';
import type { DriveDeps } from '../../operations/deps.js';
import { promoteArchive } from '../../activities/set/promote-archive.js';
import { readArchive } from '../../activities/retrieval/read-archive.js';
import { releaseArchives } from '../../activities/set/release-archives.js';
import { finishRetrieval } from '../../activities/retrieval/finish-retrieval.js';
import { scanSources } from '../../activities/set/scan-sources.js';
import { snapshotOptions } from '../../operations/sets/set-options.js';
import { finishSet } from '../../activities/set/finish-set.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import { waitForFinal } from '../../activities/set/wait-for-final.js';
import { writeToTape } from '../../activities/tape/write-to-tape.js';
import { openCatalog, type Catalog } from '../../catalog/open-catalog.js';
import { planRestore } from '../../catalog/retrievals/plan/plan-restore.js';
import { planVerify } from '../../catalog/retrievals/plan/plan-verify.js';
import { problemsOf } from '../../catalog/retrievals/retrieval-problems.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { summarizeSet } from '../../catalog/sets/set-summary.js';
import {
  insertRetrieval,
  pendingArchives,
  type PlannedArchive,
} from '../../catalog/retrievals/retrievals.js';
import { isPostgres } from '../../config/catalog-url.js';
import type { Settings } from '../../config/settings/settings.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import type { Selection } from '../../entry/selection.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { identitiesHere } from '../../operations/encryption/identities.js';
import { openDrive } from '../../tape/drives/open-drive.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { importTape } from '../../operations/rebuild/import-tape.js';
import { catalogAt, newCatalog, newSchema } from './catalogs.js';
import { tempFolder } from './trees.js';

/** Failures of activities are seen in what comes of them. */
const logger = new DefaultLogger('ERROR');

const runOnce = <Result>(body: () => Promise<Result>): Promise<Result> =>
  new MockActivityEnvironment({}, { logger }).run(body);

/** How each activity is run; `run` runs it once more each time it is called. */
export type Around = <Result>(run: () => Promise<Result>, catalog: Catalog) => Promise<Result>;

/**
 * Whole sets and restores without a server: the real activities, in the order in which the workflows call them, on a
 * real catalog, staging and tape. For what many sets and restores make of each other, in a tenth of the time.
 */
export async function setsInProcess(
  t: TestContext,
  env: Record<string, string> = {},
  around: Around = (run) => run(),
) {
  const root = tempFolder(t);
  const tapeDir = tempFolder(t);
  const folders = {
    TAPEFLOW_DATA_DIR: path.join(root, 'data'),
    BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
  };
  const own = {
    ...folders,
    TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
    TAPE_PATH: tapeDir,
    TAPE_KIND: 'directory',
  };
  const url = await newSchema();
  const settings = loadSettings({ ...own, ...(url === undefined ? {} : { CATALOG_URL: url }), ...env }, root);
  const [driveSettings] = settings.drives;
  if (driveSettings === undefined) throw new Error('no drive');
  if (!isPostgres(settings.CATALOG_URL)) {
    mkdirSync(settings.TAPEFLOW_DATA_DIR);
    await catalogAt(settings.CATALOG_URL);
  }
  const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
  t.after(() => catalog.destroy());
  const drive = openDrive(driveSettings);
  const lock = lockDrive(settings, driveSettings, 'test');
  t.after(() => lock.release());
  const deps: DriveDeps = { settings, catalog, logger: pino({ level: 'silent' }), drive, lock };
  await labelTape(drive, lock, catalog, { name: 'TAPE01', pool: 'default', force: false });

  return { ...stepsOn(deps, around), settings, tapeDir, drive, lock, rebuilt };

  /** A new catalog that is read from the tape alone, what the reading says of the tape, and the same calls on it. */
  async function rebuilt(adopt = false) {
    const file = await newCatalog(t);
    const fresh = await openCatalog(file, settings.TAPEFLOW_DATA_DIR);
    t.after(() => fresh.destroy());
    const scratch = path.join(root, 'scratch.part');
    const identities = () => identitiesHere(deps.settings);
    const quiet = { say: () => undefined, onArchive: () => undefined, identities };
    const readAgain = (own = adopt) =>
      importTape({ drive, lock, catalog: fresh, scratch, adopt: own, ...quiet });
    const reading = await readAgain();
    const own = { ...deps, catalog: fresh, settings: { ...settings, CATALOG_URL: file } };
    return { ...stepsOn(own, around), reading, readAgain };
  }
}

/** What can be done with a catalog, staging and a tape. */
function stepsOn(deps: DriveDeps, around: Around) {
  const { catalog, settings } = deps;
  const attempt = <Result>(body: () => Promise<Result>): Promise<Result> =>
    around(() => runOnce(body), catalog);

  async function retrieve(
    wanted: {
      kind: 'restore' | 'verify';
      subject: string;
      target: string | null;
      selection: Selection;
      overwrite: string;
      salvage?: number;
      refused?: string | null;
    },
    load: (tapeUuid: string) => void | Promise<void>,
    plan: { archives: PlannedArchive[]; problems: Parameters<typeof insertRetrieval>[3] },
  ) {
    const row = { ...wanted, drive: 'lto1', selection: JSON.stringify(wanted.selection) };
    const { id } = await insertRetrieval(catalog, row, plan.archives, plan.problems);
    for (const { no, tape_uuid: tape } of await pendingArchives(catalog, id, 10_000)) {
      await load(tape);
      await attempt(() => readArchive(deps, { id, no }));
    }
    const { status, unset } = await attempt(() => finishRetrieval(deps, id));
    return { status, unset, archives: plan.archives, problems: await problemsOf(catalog, id, 1000) };
  }

  /** Opens a set and scans its source; returns its id. */
  async function begin(
    source: string,
    mode: string,
    excludes: string[] = [],
    more: Partial<Settings> = {},
  ): Promise<string> {
    const { ENCRYPT, AGE_RECIPIENTS: recipients } = { ...settings, ...more };
    const encrypted = ENCRYPT ? { recipients } : {};
    const wanted = { excludes, pool: 'default', drive: 'lto1', mode, direct: false, ...encrypted };
    const options = snapshotOptions({ ...settings, ...more });
    const { set } = await openSet(catalog, { ...wanted, sources: [source], options }, { fresh: false });
    await attempt(() => scanSources(deps, set.id));
    return set.id;
  }

  async function groupsOf(setId: string): Promise<number[]> {
    const groups = await catalog
      .selectFrom('groups')
      .select('no')
      .where('set_id', '=', setId)
      .orderBy('no')
      .execute();
    return groups.map(({ no }) => no);
  }

  /** Takes a group from its files to the tape, and releases it; one that makes no archive is left at that. */
  async function store(setId: string, group: number): Promise<void> {
    const ref = { setId, group };
    if ((await attempt(() => compressGroup(deps, ref))) === 'skipped') return;
    await attempt(() => promoteArchive(deps, ref));
    await attempt(() => waitForFinal(deps, ref));
    const { tape } = await attempt(() => writeToTape(deps, ref));
    await attempt(() => syncTape(deps, setId, tape, [group]));
    await attempt(() => releaseArchives(deps, setId, [group]));
  }

  /** What a set does when all its groups are stored. */
  const end = (setId: string) => attempt(() => finishSet(deps, setId));

  return {
    ...{ catalog, deps, attempt, begin, groupsOf, store, end },
    /** Backs a source up, and returns what the set's summary says. */
    async backUp(source: string, mode: string, excludes: string[] = [], more: Partial<Settings> = {}) {
      const setId = await begin(source, mode, excludes, more);
      for (const group of await groupsOf(setId)) await store(setId, group);
      await end(setId);
      return summarizeSet(catalog, setId);
    },
    /** Restores what is wanted of a set into a folder; `load` puts the tape that is read next into the drive. */
    async restore(
      setId: string,
      target: string,
      selection: Selection = { names: [], globs: [] },
      overwrite = 'never',
      more: { salvage?: number; refused?: string | null } = {},
      load: (tapeUuid: string) => void | Promise<void> = () => undefined,
    ) {
      const wanted = { kind: 'restore', subject: setId, target, selection, overwrite, ...more } as const;
      return retrieve(wanted, load, await planRestore(catalog, setId, selection));
    },
    async verify(setId: string) {
      const selection: Selection = { names: [], globs: [] };
      const wanted = { kind: 'verify', subject: setId, target: null, selection, overwrite: 'never' } as const;
      return retrieve(wanted, () => undefined, {
        archives: await planVerify(catalog, { setId }, 100),
        problems: [],
      });
    },
  };
}
