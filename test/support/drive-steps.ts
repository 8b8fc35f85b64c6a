import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { pino } from 'pino';
import type { DriveDeps } from '../../operations/deps.js';
import { distrust } from '../../operations/tapes/distrust-tape.js';
import { releaseArchives } from '../../activities/set/release-archives.js';
import { syncTape } from '../../activities/tape/sync-tape.js';
import { watchTape, type TapeWatchRequest } from '../../activities/tape/watch-tape.js';
import { writeToTape } from '../../activities/tape/write-to-tape.js';
import { openCatalog } from '../../catalog/open-catalog.js';
import { eventsOf } from '../../catalog/groups/events.js';
import { copyOf } from '../../catalog/copies/copies.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { tapeByName, tapeByUuid } from '../../catalog/tapes/tapes.js';
import { loadSettings } from '../../config/settings/load-settings.js';
import { finalDir } from '../../staging/paths.js';
import { archiveName, manifestName } from '../../entry/archive-name.js';
import { lockDrive } from '../../tape/drives/drive-lock.js';
import { openDrive } from '../../tape/drives/open-drive.js';
import { labelTape } from '../../operations/tapes/label-tape.js';
import { trustTape } from '../../operations/tapes/trust-tape.js';
import { newSchema } from './catalogs.js';
import { noise, tempFolder } from './trees.js';

/** Failures are what these tests provoke. */
const logger = new DefaultLogger('ERROR');

/**
 * The drive's steps without a server: the real activities, each call one attempt, on a real catalog, staging and tape.
 * What the workflow makes of their results is tested through the command line.
 */
export async function driveSteps(
  t: TestContext,
  drivePath: string,
  kind: 'ltfs' | 'directory' = 'directory',
  pool = 'default',
) {
  const root = tempFolder(t);
  const url = await newSchema();
  const settings = loadSettings(
    {
      ...(url === undefined ? {} : { CATALOG_URL: url }),
      TAPEFLOW_DATA_DIR: path.join(root, 'data'),
      BACKUP_COMPRESS_DIR: path.join(root, 'staging'),
      TAPEFLOW_LOCK_DIR: path.join(root, 'locks'),
      TAPE_PATH: drivePath,
      TAPE_KIND: kind,
    },
    root,
  );
  const [driveSettings] = settings.drives;
  if (driveSettings === undefined) throw new Error('no drive');
  const catalog = await openCatalog(settings.CATALOG_URL, settings.TAPEFLOW_DATA_DIR);
  t.after(() => catalog.destroy());
  const drive = openDrive(driveSettings);
  const lock = lockDrive(settings, driveSettings, 'test');
  t.after(() => lock.release());
  const deps: DriveDeps = { settings, catalog, logger: pino({ level: 'silent' }), drive, lock };
  const wanted = { excludes: [], pool, drive: 'lto1', mode: 'full', direct: false, options: {} };
  const { set } = await openSet(catalog, { ...wanted, sources: ['/x'] }, { fresh: false });
  const setId = set.id;
  let attempts = 0;
  const attempt = <Result>(body: () => Promise<Result>): Promise<Result> => {
    attempts += 1;
    return new MockActivityEnvironment({ attempt: attempts }, { logger }).run(body);
  };

  /** A group of which the archive waits, whole, in `final/`. */
  async function stage(group: number, bytes = 100_000): Promise<void> {
    const folder = finalDir(settings.BACKUP_COMPRESS_DIR, setId);
    mkdirSync(folder, { recursive: true });
    const put = (name: string, content: Buffer) => {
      writeFileSync(path.join(folder, name), content);
      return { size: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    };
    const archive = put(archiveName(setId, group, 'gzip'), noise(bytes, `archive ${group}`));
    const manifest = put(manifestName(setId, group), noise(500, `manifest ${group}`));
    const key = new Uint8Array(Buffer.from(`x/${group}`));
    await catalog
      .insertInto('groups')
      .values({
        ...{ set_id: setId, no: group, state: 'queued', bytes, entries: 1, first_path: key, last_path: key },
        ...{ direct: 0, token: null, reserved: bytes, reason: null },
      })
      .execute();
    await catalog
      .insertInto('archives')
      .values({
        ...{ set_id: setId, group_no: group, name: archiveName(setId, group, 'gzip'), ...archive },
        ...{ manifest_name: manifestName(setId, group), manifest_size: manifest.size },
        ...{ manifest_sha256: manifest.sha256, token: 'made', bytes_in: bytes, members: 1, created_at: 0 },
      })
      .execute();
  }

  return {
    setId,
    deps,
    stage,
    label: (name: string, labelPool = pool) =>
      labelTape(drive, lock, catalog, { name, pool: labelPool, force: false }),
    write: (group: number, wantedTape?: string, copyNo?: number) =>
      attempt(() =>
        writeToTape(deps, { setId, group, ...(copyNo === undefined ? {} : { copyNo }) }, wantedTape),
      ),
    sync: (tape: string, groups: number[], copyNo?: number) =>
      attempt(() => syncTape(deps, setId, tape, groups, copyNo)),
    release: (groups: number[]) => attempt(() => releaseArchives(deps, setId, groups)),
    /** One look of the wait: the reason why the tape will not do, or its name. */
    async watch(wish: Omit<TapeWatchRequest, 'setId'>): Promise<string> {
      const environment = new MockActivityEnvironment({}, { logger });
      return new Promise((resolve, reject) => {
        environment.on('heartbeat', (details: { why?: string } | undefined) => {
          if (details?.why === undefined) return;
          resolve(details.why);
          environment.cancel();
        });
        const watching: Promise<unknown> = environment.run(() => watchTape(deps, { setId, ...wish }));
        watching.then((name) => resolve(String(name)), reject);
      });
    },
    copy: async (group: number) => (await copyOf(catalog, setId, group))?.state,
    tape: async (name: string) => {
      const row = await tapeByName(catalog, name);
      if (row === undefined) throw new Error(`no tape ${name}`);
      return row;
    },
    /** `tape trust`: what it has to say. */
    async trust(uuid: string): Promise<string[]> {
      const row = await tapeByUuid(catalog, uuid);
      return row === undefined ? [] : trustTape(catalog, settings, row);
    },
    distrust: async (name: string) => {
      const row = await tapeByName(catalog, name);
      if (row !== undefined) await distrust(deps, { row }, 'distrusted by a command');
    },
    events: () => eventsOf(catalog, setId),
    /** Path of a group's archive on the tape that is mounted now. */
    onTape: (group: number) => path.join(drivePath, setId, archiveName(setId, group, 'gzip')),
    /** True when the mounted tape holds exactly the group's staged bytes, of archive and manifest. */
    isWhole(group: number): boolean {
      return [archiveName(setId, group, 'gzip'), manifestName(setId, group)].every((name) => {
        const staged = path.join(finalDir(settings.BACKUP_COMPRESS_DIR, setId), name);
        return readFileSync(staged).equals(readFileSync(path.join(drivePath, setId, name)));
      });
    },
    isStaged(group: number): boolean {
      try {
        readFileSync(
          path.join(finalDir(settings.BACKUP_COMPRESS_DIR, setId), archiveName(setId, group, 'gzip')),
        );
        return true;
      } catch {
        return false;
      }
    },
  };
}

export type DriveSteps = Awaited<ReturnType<typeof driveSteps>>;
