/** True for a `CATALOG_URL` that names a PostgreSQL database; any other is the path of an SQLite file. */
export function isPostgres(catalog: string): boolean {
  return /^postgres(ql)?:/i.test(catalog);
}

/** A `CATALOG_URL` for people and logs: without the password of a PostgreSQL user. */
export function shownCatalog(catalog: string): string {
  if (!isPostgres(catalog)) return catalog;
  return catalog
    .replace(/^([a-z]+:\/\/)([^:@/?#]*):.*@/is, '$1$2@')
    .replace(/([?&](?:ssl)?password=)[^&#]*/gi, '$1…');
}
