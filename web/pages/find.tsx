import { filesFound } from '../../client/commands/files/find-files.js';
import { FilePlaces, placeText } from '../../client/print/file-places.js';
import { displayPath, requireGlob } from '../../client/print/names.js';
import { setWithFiles } from '../../catalog/sets/sets.js';
import type { FileRow } from '../../catalog/rows.js';
import { formatBytes } from '../../config/sizes.js';
import { filesPath } from './files-path.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';

/** Files that a search shows, and milliseconds that it takes at most: a browser waits meanwhile. */
const filesShown = 300;
const longestMs = 10_000;

/** Looks for files by a glob, as `find` does, in all sets or in one. */
export const findPage: MakePage = async ({ site, frame, query }) => {
  const catalog = await site.session().catalog();
  const [glob, setId] = [query('glob'), query('set')];
  const form = (
    <form method="get" action={`${frame.base}find`} class="fields" role="search">
      <label>
        Name or glob{' '}
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
        In the set <input name="set" value={setId} placeholder="all of them" autocomplete="off" />
      </label>
      <button>Search</button>
    </form>
  );
  const head = <h1>Search</h1>;
  if (glob === '')
    return {
      title: 'Search',
      body: (
        <>
          {head}
          {form}
        </>
      ),
    };
  requireGlob(glob, 'The pattern');
  if (setId !== '') await setWithFiles(catalog, setId);
  const until = performance.now() + longestMs;
  const found: FileRow[] = [];
  let end: 'all' | 'many' | 'late' = 'all';
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
        {found.length === 0 ? 'No file matches' : ''}
        {found.length > 0 && end === 'all' ? `${found.length} found` : ''}
        {end === 'many' ? `The first ${filesShown}, of the newest sets: there are more` : ''}
        {end === 'late'
          ? `${found.length === 0 ? ' so far' : `${found.length} found so far`}, and not all sets were looked through`
          : ''}
        .{end === 'all' ? '' : ' Say more of the name, or name a set.'}
      </p>
      {rows.length === 0 ? (
        ''
      ) : (
        <Table
          caption="Files found"
          head={['Path', 'Set', 'Size', 'Changed', 'Where']}
          numbers={[2]}
          rows={rows}
        />
      )}
    </>
  );
  return { title: `Search for ${glob}`, body };
};
