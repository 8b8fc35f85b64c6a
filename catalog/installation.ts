import { randomUUID } from 'node:crypto';
import type { Catalog } from './open-catalog.js';

/** The identity of this installation, if it has been made; for who only reads. */
export async function knownInstallation(catalog: Catalog): Promise<string | undefined> {
  const known = await catalog
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'installation')
    .executeTakeFirst();
  return known?.value;
}

/** The identity of this installation: made once, written into every label and manifest. */
export async function installationId(catalog: Catalog): Promise<string> {
  const known = await knownInstallation(catalog);
  if (known !== undefined) return known;
  await catalog
    .insertInto('meta')
    .values({ key: 'installation', value: randomUUID() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  const row = await catalog
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'installation')
    .executeTakeFirstOrThrow();
  return row.value;
}

/**
 * The short id of this installation, for people and for names at the server: the setting, or the beginning of its
 * identity.
 */
export async function shortInstallationId(
  catalog: Catalog,
  settings: { TAPEFLOW_INSTALLATION?: string | undefined },
): Promise<string> {
  return settings.TAPEFLOW_INSTALLATION ?? (await installationId(catalog)).slice(0, 8);
}
