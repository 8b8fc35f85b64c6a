import path from 'node:path';
import { backUpServer } from '../../catalog/backup/copy-catalog.js';
import { installationId } from '../../catalog/installation.js';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.js';
import { openForReading } from '../../catalog/open-for-reading.js';
import { unfinishedRetrievals } from '../../catalog/retrievals/retrievals.js';
import type { SetState } from '../../catalog/schema/set-tables.js';
import { findSet } from '../../catalog/sets/sets.js';
import { newSchema } from './catalogs.js';

/** The catalog of a lane: an SQLite file, or in PostgreSQL (`CATALOG_OF_TESTS`). */
export class LaneCatalog {
  /** Open as long as the lane is: to connect costs far more than to ask. */
  private server: Promise<Catalog> | undefined;

  private constructor(
    private readonly where: string,
    private readonly dataDir: string,
    private readonly isFile: boolean,
  ) {}

  static async make(dataDir: string): Promise<LaneCatalog> {
    const schema = await newSchema();
    return new LaneCatalog(schema ?? path.join(dataDir, 'catalog.db'), dataDir, schema === undefined);
  }

  get env(): Record<string, string> {
    return this.isFile ? {} : { CATALOG_URL: this.where };
  }

  /** The file whose commits are points to kill at; in PostgreSQL there are none here. */
  get file(): string {
    return path.join(this.dataDir, 'catalog.db');
  }

  /** An SQLite catalog with all that this one has. */
  async fileToCheck(): Promise<string> {
    if (this.isFile) return this.where;
    const copy = path.join(this.dataDir, 'copy.db');
    await this.read((catalog) => backUpServer(catalog, copy));
    return copy;
  }

  async stateOf(setId: string): Promise<SetState | undefined> {
    return this.read(async (catalog) => (await findSet(catalog, setId))?.state);
  }

  async shortId(): Promise<string> {
    return this.read(async (catalog) => (await installationId(catalog)).slice(0, 8));
  }

  async unfinishedRetrievals(): Promise<number> {
    return this.read(async (catalog) => (await unfinishedRetrievals(catalog)).length);
  }

  async close(): Promise<void> {
    await (await this.server?.catch(() => undefined))?.destroy();
  }

  private async read<Result>(look: (catalog: Catalog) => Promise<Result>): Promise<Result> {
    if (!this.isFile) return look(await (this.server ??= this.open()));
    // The last user of a file deletes its log: that shall be a worker.
    const catalog = await this.open();
    try {
      return await look(catalog);
    } finally {
      await catalog.destroy();
    }
  }

  private open(): Promise<Catalog> {
    return openForReading(this.where, this.dataDir, () => openCatalog(this.where));
  }
}
