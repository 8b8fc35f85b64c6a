import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { WorkflowNotFoundError } from '@temporalio/common';
import { openCatalog } from '../../catalog/open-catalog.js';
import { openSet } from '../../catalog/sets/open-set.js';
import { setNamed } from '../../catalog/sets/sets.js';
import { startOrFail } from '../../client/follow/start-or-fail.js';
import type { Server } from '../../client/server.js';
import type { Session } from '../../client/session.js';
import type { TapeflowFailure } from '../../config/failures.js';
import { searchAttributes } from '../../workflows/messages.js';
import { newCatalog, onPostgres } from '../support/catalogs.js';

const stays = /The workers start it by themselves when the catalog can be used again\.$/;
const next = /No workers stay that would start it: the next `tapeflow up` or `tapeflow backup` does\.$/;

for (const [who, lease, isLookedAfter, says] of [
  ['a server of your own', undefined, true, stays],
  ['`tapeflow up`', { stays: () => true }, true, stays],
  ['the server that the command has started', { stays: () => false }, true, next],
  ['workers that look after nothing', undefined, false, next],
] as const) {
  test(
    `a set whose catalog is locked when it is started is not failed, and who starts it is told: ${who}`,
    { skip: onPostgres && 'an SQLite file is locked' },
    async (t) => {
      const file = await newCatalog(t);
      const catalog = await openCatalog(file);
      t.after(() => catalog.destroy());
      const wanted = {
        excludes: [],
        pool: 'default',
        drive: 'lto1',
        mode: 'full',
        direct: false,
        options: {},
      };
      const { set } = await openSet(catalog, { ...wanted, sources: ['/srv'] }, { fresh: true });
      const other = new Database(file);
      t.after(() => other.close());
      const describe = () => Promise.reject(new WorkflowNotFoundError('none', 'w', undefined));
      // The server has it, and the catalog can no more be told so.
      const start = async () => void other.exec('begin immediate');
      const customAttributes = Object.fromEntries(
        Object.values(searchAttributes).map(({ name, type }) => [name, type === 'KEYWORD_LIST' ? 7 : 2]),
      );
      const connection = { operatorService: { listSearchAttributes: async () => ({ customAttributes }) } };
      const withDeadline = <Result>(_: number, run: () => Result) => run();
      const workflow = { start, getHandle: () => ({ describe }) };
      const client = { workflow, connection, withDeadline };
      const server = {
        client,
        lease,
        isLookedAfter,
        installation: 'i',
        target: { address: 'x', embedded: true },
      };
      const session = { catalog: async () => catalog, settings: { CATALOG_URL: file } };
      await assert.rejects(
        startOrFail(session as unknown as Session, server as unknown as Server, set, { retry: false }),
        ({ code, sentence }: TapeflowFailure) => {
          assert.equal(code, 'CatalogBusy');
          assert.match(sentence, /^The set \S+ is made, but could not be started: The catalog .* is locked/);
          assert.match(sentence, says);
          return true;
        },
      );
      other.exec('rollback');
      assert.equal((await setNamed(catalog, set.id)).state, 'scanning');
    },
  );
}
