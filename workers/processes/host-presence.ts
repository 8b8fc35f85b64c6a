import os from 'node:os';
import { driveLives, driveStops } from '../../catalog/hosts/host-drives.js';
import { archiveStops, hostLives, listHosts, timeOf, type HostSelf } from '../../catalog/hosts/hosts.js';
import {
  signPlace,
  twoPlacesAdvice,
  twoPlacesText,
  type HostPlace,
} from '../../catalog/hosts/host-places.js';
import { recordLook } from '../../catalog/hosts/staging-looks.js';
import { signOfLifeMs } from '../../catalog/hosts/host-conflict.js';
import { isInPostgres } from '../../catalog/dialect.js';
import { isCatalogOutOfReach } from '../../catalog/catalog-failure.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { HostRow } from '../../catalog/rows.js';
import { TapeflowFailure } from '../../config/failures.js';
import type { Logger } from '../../config/logger.js';
import { projectVersion } from '../../config/project-dir.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import { keepThisHost } from '../../disk/this-host.js';
import { placeId } from '../../disk/this-place.js';
import { leaveMark, unseenMarks } from '../../staging/host-marks.js';
import { messageKey } from '../../proof/key-file.js';
import { onlyHost, registered, type Registered } from './register-host.js';
import type { TemporalTarget } from '../server/temporal-target.js';
import { english } from '../../messages/sentence.js';

/** A worker's part of what the catalog knows of its host. */
export class HostPresence {
  private timer: NodeJS.Timeout | undefined;
  private telling = Promise.resolve();
  private looking = false;
  private hasSigned = false;
  /** What could not be written down at the start, or has been forgotten since by a command. */
  private late: (() => Promise<unknown>) | undefined;
  /** Another host, or data folder, has taken the name of this host, or of its drive. */
  private lost: TapeflowFailure | undefined;

  private constructor(
    private readonly catalog: Catalog,
    private readonly logger: Logger,
    /** The row of this host. */
    readonly host: HostRow,
    /** The key of the installation. */
    readonly key: string,
    private readonly staging: string,
    private readonly drive: string | undefined,
    private readonly register: () => Promise<Registered>,
    private readonly place: HostPlace,
  ) {}

  /**
   * Tells the catalog that a worker of this host begins, and from then on that it lives. Throws what `registerHost`,
   * `installationKey` and `claimDrive` throw: then it must not begin.
   */
  static async begin(
    catalog: Catalog,
    settings: Settings,
    target: TemporalTarget,
    logger: Logger,
    drive?: DriveSettings,
  ): Promise<HostPresence> {
    const { TAPEFLOW_DATA_DIR: dataDir, CATALOG_URL: catalogUrl } = settings;
    const kept = keepThisHost(dataDir, settings.TAPEFLOW_HOST);
    const self: HostSelf = {
      ...{ ...kept, dataDir, catalogUrl, machine: os.hostname(), version: projectVersion },
      embedded: target.embedded,
      isNamed: settings.origins.TAPEFLOW_HOST !== 'default',
    };
    const register = () => registered(catalog, settings, self, drive);
    const { host, key, before, late } = await register().catch((error: unknown) => {
      // A file has one host, which needs nobody's leave: its steps wait for the catalog, and say why.
      if (isInPostgres(catalog) || !isCatalogOutOfReach(error)) throw error;
      return { host: onlyHost(self), key: messageKey(dataDir), before: undefined, late: register };
    });
    if (before !== undefined)
      logger.info(`the drive ${drive?.name} was moved from host ${before} to host ${host.name}`);
    const staging = settings.BACKUP_COMPRESS_DIR;
    const place = { id: placeId(dataDir), machine: self.machine, dataDir };
    const presence = new HostPresence(catalog, logger, host, key, staging, drive?.name, register, place);
    presence.late = late;
    if (drive === undefined && late === undefined)
      await hostLives(catalog, host, true).catch(unlessOutOfReach);
    presence.lookAtStaging();
    presence.tellLater();
    return presence;
  }

  /** Says that the worker stops. Throws when it does because its names are another host's now. */
  async end(): Promise<void> {
    clearTimeout(this.timer);
    await this.telling;
    const { catalog, host, drive } = this;
    const stops = drive === undefined ? archiveStops(catalog, host) : driveStops(catalog, host.name, drive);
    // It is known a little later without this.
    await stops.catch(() => undefined);
    if (this.lost !== undefined) throw this.lost;
  }

  private tellLater(): void {
    this.timer = setTimeout(() => {
      this.telling = this.tell().then(() => {
        if (this.lost === undefined) this.tellLater();
      });
    }, signOfLifeMs).unref();
  }

  /**
   * Shows the other hosts that this one has the same staging, and writes down whether it sees theirs. Nobody waits for
   * it: a mount that does not answer must neither hold up a start, nor make a host that lives look as if it were gone.
   */
  private lookAtStaging(): void {
    if (this.looking || !isInPostgres(this.catalog)) return;
    this.looking = true;
    void this.looksAtStaging()
      .catch((error: unknown) => this.logger.debug({ err: error }, 'staging could not be looked at'))
      .finally(() => (this.looking = false));
  }

  private async looksAtStaging(): Promise<void> {
    const { catalog, host, staging } = this;
    const at = await timeOf(catalog);
    const mark = await leaveMark(staging, host).catch((error: unknown) => {
      this.logger.warn({ err: error }, `the mark of this host could not be left in staging, ${staging}`);
      return null;
    });
    const others = (await listHosts(catalog)).filter(({ name }) => name !== host.name);
    const unseen = await unseenMarks(staging, others);
    await recordLook(catalog, { host: host.name, root: staging, unseen, at, mark });
  }

  /** Says so when workers of a copy of this data folder are at work too, which nothing else tells apart. */
  private async signPlace(): Promise<void> {
    const { catalog, host, place } = this;
    // A file has one host.
    if (!isInPostgres(catalog)) return;
    const other = await signPlace(catalog, host.name, place, this.hasSigned);
    this.hasSigned = true;
    if (other === undefined) return;
    this.logger.error(`Host ${host.name}: ${twoPlacesText([place, other])}. ${twoPlacesAdvice}`);
  }

  private async tell(): Promise<void> {
    const { catalog, host, drive, logger } = this;
    try {
      await this.late?.();
      this.late = undefined;
      // It was away when a command forgot it.
      const rows = await listHosts(catalog);
      if (!rows.some(({ id, name }) => id === host.id || name === host.name)) await this.register();
      const isHosts = await hostLives(catalog, host, drive === undefined);
      const isDrives = drive === undefined || (await driveLives(catalog, host.name, drive));
      if (isHosts && isDrives) {
        await this.signPlace();
        return this.lookAtStaging();
      }
      this.lost = new TapeflowFailure(
        isHosts ? 'DriveElsewhere' : 'HostTaken',
        isHosts
          ? english`Another host has taken the drive ${drive ?? ''}, after this worker was not heard of for
            long: the worker ends.`
          : english`Another host has taken the name of host ${host.name}, after this worker was not heard of
            for long: the worker ends.`,
        { advice: english`\`tapeflow status\` shows the hosts and their drives.` },
      );
      logger.error(this.lost.message);
      process.emit('SIGTERM', 'SIGTERM');
    } catch (error) {
      // The catalog is away: every step of the worker says so.
      logger.debug({ err: error }, 'the catalog could not be told that this worker lives');
    }
  }
}

function unlessOutOfReach(error: unknown): void {
  if (!isCatalogOutOfReach(error)) throw error;
}
