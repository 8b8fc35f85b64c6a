import { filesFound } from '../../client/commands/files/find-files.js';
import { FilePlaces, placeText } from '../../client/print/file-places.js';
import { displayPath, requireGlob } from '../../client/print/names.js';
import { setWithFiles } from '../../catalog/sets/sets.js';
import type { FileRow } from '../../catalog/rows.js';
import { formatBytes } from '../../config/sizes.js';
import { filesPath } from './files-path.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** Files that a search shows, and milliseconds that it takes at most: a browser waits meanwhile. */
const filesShown = 300;
const longestMs = 10_000;

/** All were found; there are more than are shown; it took too long to look through all sets. */
type SearchEnd = 'all' | 'many' | 'late';

/** Looks for files by a glob, as `find` does, in all sets or in one. */
export const findPage: MakePage = async ({ site, frame, query }) => {
  const catalog = await site.session().catalog();
  const [glob, setId] = [query('glob'), query('set')];
  const form = (
    <form method="get" action={`${frame.base}find`} class="fields" role="search">
      <label>
        {t`Name or glob`}{' '}
        <input
          name="glob"
          type="search"
          required
          value={glob}
          placeholder="*.conf"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <label>
        {t`In the set`} <input name="set" value={setId} placeholder={t`all of them`} autocomplete="off" />
      </label>
      <button>{t`Search`}</button>
    </form>
  );
  const head = <h1>{t`Search`}</h1>;
  if (glob === '')
    return {
      title: t`Search`,
      body: (
        <>
          {head}
          {form}
        </>
      ),
    };
  requireGlob(glob, english`The pattern`);
  if (setId !== '') await setWithFiles(catalog, setId);
  const until = performance.now() + longestMs;
  const found: FileRow[] = [];
  let end: SearchEnd = 'all';
  for await (const page of filesFound(catalog, glob, setId === '' ? undefined : setId)) {
    found.push(...page);
    if (found.length > filesShown) end = 'many';
    else if (performance.now() > until) end = 'late';
    if (end !== 'all') break;
  }
  const places = new FilePlaces(catalog);
  const rows = [];
  for (const row of found.slice(0, filesShown))
    rows.push([
      <a class="path" href={frame.base + filesPath(row.set_id, row.path)}>
        {displayPath(row.path)}
      </a>,
      row.set_id,
      row.type === 'directory' ? '' : formatBytes(row.size),
      <Time ms={row.mtime_s * 1000} />,
      placeText(row, await places.of(row)),
    ]);
  const body = (
    <>
      {head}
      {form}
      <p role="status">
        {endText(found.length, end)}
        {end === 'all' ? '' : ` ${t`Say more of the name, or name a set.`}`}
      </p>
      {rows.length === 0 ? (
        ''
      ) : (
        <Table
          caption={t`Files found`}
          head={[t`Path`, t`Set`, t`Size`, t`Changed`, t`Where`]}
          numbers={[2]}
          rows={rows}
        />
      )}
    </>
  );
  return { title: t`Search for ${glob}`, body };
};

function endText(found: number, end: SearchEnd): string {
  if (end === 'many') return t`The first ${filesShown}, of the newest sets: there are more.`;
  if (end === 'late')
    return found === 0
      ? t`No file matches so far, and not all sets were looked through.`
      : t`${found} found so far, and not all sets were looked through.`;
  return found === 0 ? t`No file matches.` : `${found} ${t`found.`}`;
}
