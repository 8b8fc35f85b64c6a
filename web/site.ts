import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { shortInstallationId } from '../catalog/installation.js';
import { isPostgres } from '../config/catalog-url.js';
import type { Settings } from '../config/settings/settings.js';
import { readHostFile } from '../embedded/host-file.js';
import { isAlive } from '../embedded/temporal-server.js';
import { openSession, openToRead, type Session } from '../client/session.js';
import { serverInSight, type Server } from '../client/server.js';
import { usesOwnServer } from '../workers/server/own-server.js';
import { Actions } from './actions/actions.js';
import { readFigures, type Figures } from './pages/figures.js';

/** Milliseconds after which a server that was not there is looked for again. */
const lookAgainMs = 3000;
/** Milliseconds for which figures are shown that take long to read. */
const figuresStayMs = 60_000;
/** Milliseconds for which a catalog stays open that is used no more: a request may still read from it. */
const lastUseMs = 15_000;

/** What the pages have of the installation, for as long as the page is served. */
export class Site {
  /** Commands that were given here. */
  readonly actions = new Actions();
  private current: Session | undefined;
  private inode: number | undefined;
  private server: { address: string; found: Promise<Server | undefined> } | undefined;
  private retryAt = 0;
  private plotted: { figures: Figures; until: number } | undefined;

  /** @param base the folder of all addresses, with a slash at both ends. */
  constructor(
    private readonly command: Command,
    readonly settings: Settings,
    readonly isReadOnly: boolean,
    readonly base: string,
  ) {}

  /**
   * A session like that of a command that only reads: looking at a page must not make an empty catalog where one is
   * being moved. Its catalog is opened again after it was away, or was replaced.
   */
  session(): Session {
    const inode = this.catalogInode();
    if (this.current !== undefined && inode !== this.inode) this.forget();
    this.inode = inode;
    return (this.current ??= { ...openSession(this.command, openToRead), json: false });
  }

  /**
   * A session of its own for one command that is given here.
   *
   * @param tell gets each line that the command says.
   */
  newSession(tell: (line: string) => void): Session {
    const session = this.isReadOnly ? openSession(this.command, openToRead) : openSession(this.command);
    return { ...session, json: false, print: tell, say: tell, emit: () => undefined };
  }

  /** Opens the catalog anew at the next request, since something is wrong with it. */
  forget(): void {
    const { current } = this;
    this.current = undefined;
    if (current === undefined) return;
    setTimeout(() => void current.close().catch(() => undefined), lastUseMs).unref();
  }

  /** What is plotted, as it was within the last minute: it reads every copy of the catalog. */
  async figures(): Promise<Figures> {
    if (this.plotted === undefined || Date.now() > this.plotted.until) {
      const figures = await readFigures(await this.session().catalog(), Date.now());
      this.plotted = { figures, until: Date.now() + figuresStayMs };
    }
    return this.plotted.figures;
  }

  /** The server, for what is only looked at; undefined where none runs. */
  async atServer(): Promise<Server | undefined> {
    const address = this.serverAddress();
    if (this.server !== undefined && this.server.address !== address) await this.leaveServer();
    if (address === undefined) return undefined;
    if (this.server === undefined) {
      if (Date.now() < this.retryAt) return undefined;
      this.server = { address, found: serverInSight(this.session()).catch(() => undefined) };
    }
    const found = await this.server.found;
    if (found === undefined) {
      this.server = undefined;
      this.retryAt = Date.now() + lookAgainMs;
    }
    return found;
  }

  /**
   * Where the Temporal UI shows a workflow; undefined where it is not known.
   *
   * @param idOf makes the workflow's id from that of the installation.
   */
  async workflowUrl(idOf: (installation: string) => string): Promise<string | undefined> {
    const { settings } = this;
    const host = readHostFile(settings.TAPEFLOW_DATA_DIR);
    const isOwn = usesOwnServer(settings);
    const ui = isOwn
      ? settings.TEMPORAL_UI_URL
      : host !== undefined && isAlive(host.pid)
        ? host.ui
        : undefined;
    if (ui === undefined) return undefined;
    const installation = await shortInstallationId(await this.session().catalog(), settings);
    const namespace = (await this.atServer())?.target.namespace ?? settings.TEMPORAL_NAMESPACE;
    const [space, id] = [namespace, idOf(installation)].map(encodeURIComponent);
    return `${ui}/namespaces/${space}/workflows/${id}`;
  }

  async close(): Promise<void> {
    await this.leaveServer();
    await this.current?.close().catch(() => undefined);
  }

  private async leaveServer(): Promise<void> {
    const left = this.server;
    this.server = undefined;
    await (await left?.found)?.close();
  }

  private serverAddress(): string | undefined {
    const { settings } = this;
    if (usesOwnServer(settings)) return 'own';
    const host = readHostFile(settings.TAPEFLOW_DATA_DIR);
    return host === undefined || !isAlive(host.pid) ? undefined : `${host.pid} ${host.address}`;
  }

  /** Another number: the catalog was restored, and what is open is the one before. */
  private catalogInode(): number | undefined {
    const { CATALOG_URL: catalog } = this.settings;
    return isPostgres(catalog) ? undefined : statSync(catalog, { throwIfNoEntry: false })?.ino;
  }
}
