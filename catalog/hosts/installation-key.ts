import { english } from '../../messages/sentence.js';
import { TapeflowFailure } from '../../config/failures.js';
import { readThisHost } from '../../config/settings/host-name.js';
import type { Settings } from '../../config/settings/settings.js';
import { keyFile, messageKey, readKey } from '../../proof/key-file.js';
import { keyPrint } from '../../proof/key-print.js';
import { isInPostgres } from '../dialect.js';
import type { Catalog } from '../open-catalog.js';
import type { HostRow } from '../rows.js';
import { heardHosts, listHosts, timeOf } from './hosts.js';

/** Where the catalog keeps what tells the key of the installation from others. */
const printKey = 'message_key';

/**
 * The key with which the messages of the installation are proven: the one in the data folder of this host, which must
 * be the same on every host. With one host alone it is made where it is missing, and may be changed.
 *
 * Throws `NoKey` when it is missing and another host has it, `WrongKey` when it is not the one of the others, and
 * whatever `messageKey` throws.
 *
 * @param adopts a worker begins: with no other host at work, its key is the one from now on.
 */
export async function installationKey(
  catalog: Catalog,
  { TAPEFLOW_DATA_DIR: dataDir, TAPEFLOW_HOST: name }: Pick<Settings, 'TAPEFLOW_DATA_DIR' | 'TAPEFLOW_HOST'>,
  adopts: boolean,
): Promise<string> {
  const { id } = readThisHost(dataDir) ?? {};
  // A file has one host.
  const hosts = isInPostgres(catalog) ? await listHosts(catalog) : [];
  const others = hosts.filter((host) => host.id !== id && host.name !== name);
  const print = await knownPrint(catalog);
  const mine = readKey(dataDir);
  if (mine === undefined && print !== undefined && others.length > 0) throw missingKey(dataDir, others);
  const key = mine ?? messageKey(dataDir);
  if (print === keyPrint(key)) return key;
  if (print !== undefined && others.length > 0) {
    const heard = await heardHosts(catalog, await timeOf(catalog));
    const working = others.filter(({ name }) => heard.has(name));
    if (!adopts || working.length > 0) throw wrongKey(dataDir, working.length > 0 ? working : others);
  }
  if (adopts) await keepPrint(catalog, keyPrint(key));
  return key;
}

async function knownPrint(catalog: Catalog): Promise<string | undefined> {
  const row = await catalog.selectFrom('meta').select('value').where('key', '=', printKey).executeTakeFirst();
  return row?.value;
}

async function keepPrint(catalog: Catalog, value: string): Promise<void> {
  await catalog
    .insertInto('meta')
    .values({ key: printKey, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

/** Whose key it is, for sentences: the home first, since it made it. */
function keeper(hosts: readonly HostRow[]): string {
  const host = hosts.find(({ home }) => home === 1) ?? hosts[0];
  return host === undefined ? english`another host` : english`${keyFile(host.data_dir)} of host ${host.name}`;
}

function missingKey(dataDir: string, others: readonly HostRow[]): TapeflowFailure {
  return new TapeflowFailure(
    'NoKey',
    english`This host has no key of the installation, with which its hosts prove their messages.`,
    { advice: english`Copy ${keeper(others)} to ${keyFile(dataDir)} over a safe way, with mode 0600.` },
  );
}

function wrongKey(dataDir: string, others: readonly HostRow[]): TapeflowFailure {
  return new TapeflowFailure(
    'WrongKey',
    english`${keyFile(dataDir)} is not the key of this installation, which its other hosts have.`,
    {
      advice: english`Copy ${keeper(others)} there over a safe way, with mode 0600. To change the key, end the
        workers of all hosts, copy the new one to each, and start them.`,
    },
  );
}
