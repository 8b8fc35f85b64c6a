/** PostgreSQL's machine vanishes: its connections stay open, and nothing comes or goes on them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { sql } from 'kysely';
import { catalogOn } from '../../catalog/postgres/open-postgres.js';
import { CatalogPool } from '../../catalog/postgres/pool.js';
import { isServerAway } from '../../catalog/postgres/server-error.js';
import { Installation } from '../support/installation.js';
import { Cable } from '../support/own-server.js';
import { noPostgres, PostgresServer } from '../support/postgres.js';
import { longTest, noise, settled, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server that is reached by a cable which can be cut, and the URL of an empty catalog there. */
async function behindCable(t: TestContext) {
  const port = await freePort();
  const server = await PostgresServer.make(t, { address: '127.0.0.1', port });
  const cable = await Cable.to(t, `127.0.0.1:${port}`);
  const schema = (await server.makeCatalog()).replace(/^.*search_path%3D/, '');
  const url = `postgres://tapeflow@${cable.address}/postgres?options=-csearch_path%3D${schema}`;
  const written = () => server.query(`select 1 from copies where state = 'committed'`, server.url(schema));
  return { cable, url, written };
}

test(
  'a query whose server vanishes ends, one on which the server works does not, and the next one is answered',
  { skip: noPostgres },
  async (t) => {
    const { cable, url } = await behindCable(t);
    const catalog = catalogOn(new CatalogPool(url, 300, 100));
    t.after(() => catalog.destroy());
    // Longer than many looks, and the server has it all the time.
    await sql`select pg_sleep(2)`.execute(catalog);
    const inTransaction = catalog.transaction().execute(async (tx) => {
      await sql`select 1`.execute(tx);
      cable.cut();
      await sql`select 2`.execute(tx);
    });
    await assert.rejects(inTransaction, isServerAway);
    cable.mend();
    await sql`select 3`.execute(catalog);
  },
);

test(
  'a set waits while the machine of PostgreSQL has vanished, says so, and goes on when it is back',
  { skip: noPostgres || longTest },
  async (t) => {
    const { cable, url, written } = await behindCable(t);
    const source = tempFolder(t);
    writeTree(
      source,
      Object.fromEntries(Array.from({ length: 40 }, (_, no) => [String(no), noise(100_000, String(no))])),
    );
    await settled(source);
    const installation = await Installation.make(t, { CATALOG_URL: url, MAX_GROUP_SIZE: '200kB' });
    const backup = installation.start(['backup', source, '--json']);
    await waitFor(
      async () => (await written().catch(() => [])).length > 0,
      `the first archive: ${backup.output()}`,
    );
    cable.cut();
    const asked = await installation.run(['sets']);
    assert.match(
      asked.stderr,
      /PostgreSQL does not answer for the catalog .*sets wait and go on by themselves/,
    );
    cable.mend();
    const { code, stdout, stderr } = await backup.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /"status":"completed"/);
  },
);
