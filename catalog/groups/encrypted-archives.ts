import type { Catalog } from '../open-catalog.js';

/** An archive that is encrypted. */
export interface EncryptedArchive {
  setId: string;
  group: number;
  name: string;
  /** What its file begins with, in base64; null: not known. */
  header: string | null;
}

/** Those of some archives that are encrypted. */
export async function encryptedArchives(
  db: Catalog,
  archives: readonly { setId: string; group: number }[],
): Promise<EncryptedArchive[]> {
  const wanted = new Set(archives.map(({ setId, group }) => `${setId} ${group}`));
  const found: EncryptedArchive[] = [];
  for (const setId of new Set(archives.map((archive) => archive.setId))) {
    const rows = await encryptedOf(db, setId);
    found.push(...rows.filter(({ group }) => wanted.has(`${setId} ${group}`)));
  }
  return found;
}

/** The encrypted archives of a set. */
export async function encryptedOf(db: Catalog, setId: string): Promise<EncryptedArchive[]> {
  const rows = await db
    .selectFrom('archives')
    .select(['group_no', 'name', 'age_header'])
    .where('set_id', '=', setId)
    .where('name', 'like', '%.age')
    .orderBy('group_no')
    .execute();
  return rows.map(({ group_no: group, name, age_header: header }) => ({ setId, group, name, header }));
}
