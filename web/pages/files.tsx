import { childrenOf } from '../../catalog/files/search.js';
import { fileRows } from '../../catalog/files/files.js';
import { hostInSets } from '../../client/source-host.js';
import { FilePlaces, placeText, shownLink } from '../../client/print/file-places.js';
import { displayPath } from '../../client/print/names.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import type { FileRow } from '../../catalog/rows.js';
import { setWithFiles } from '../../catalog/sets/sets.js';
import { usageFailure } from '../../config/failures.js';
import { formatNumber } from '../../config/counts.js';
import { formatBytes } from '../../config/sizes.js';
import { displayName, fromBytes, toBytes } from '../../entry/byte-string.js';
import { encodeName } from '../names.js';
import type { Frame } from './frame.js';
import { Table, Time } from './layout.js';
import type { MakePage } from './page.js';
import { RestoreForm } from './restore-form.js';
import { filesPath } from './files-path.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** Entries of a folder on one page. */
const entriesShown = 500;

/** A folder or a file of a set, with what is in it, and the form that restores it. */
export const filesPage: MakePage = async ({ site, frame, param, name, query }) => {
  const session = site.session();
  const catalog = await session.catalog();
  const set = await setWithFiles(catalog, param('set'));
  const at = name('at') ?? '';
  const skip = Math.max(0, Math.trunc(Number(query('skip')) || 0));
  const [itself] = at === '' ? [] : await fileRows(catalog, set.id, at.replace(/\/$/, ''));
  const folder = at === '' || at.endsWith('/') ? at : `${at}/`;
  const isFile = itself !== undefined && itself.type !== 'directory';
  const { entries, hasMore } = isFile
    ? { entries: [itself], hasMore: false }
    : await entriesIn(catalog, set.id, folder, skip);
  if (entries.length === 0 && skip === 0)
    throw usageFailure(
      'NoSuchPath',
      english`The set ${set.id} holds nothing at ${displayPath(toBytes(at))}.`,
    );
  const within = isFile ? at.replace(/[^/]*$/, '') : folder;
  const places = new FilePlaces(catalog);
  const rows = [];
  for (const entry of entries) {
    if (entry instanceof Uint8Array) {
      rows.push([
        <EntryLink setId={set.id} path={entry} folder={within} frame={frame} isFolder />,
        '',
        '',
        t`above a source`,
      ]);
      continue;
    }
    const { path, type, size, mtime_s: changed } = entry;
    rows.push([
      <>
        <EntryLink setId={set.id} path={path} folder={within} frame={frame} isFolder={type === 'directory'} />
        {shownLink(entry)}
      </>,
      type === 'directory' ? '' : formatBytes(size),
      <Time ms={changed * 1000} />,
      placeText(entry, await places.of(entry)),
    ]);
  }
  const isHere = set.host === (await hostInSets(session, undefined));
  const body = (
    <>
      <h1>{t`Files of set ${set.id}`}</h1>
      <Crumbs setId={set.id} at={at} frame={frame} />
      <Table
        caption={`${t`In`} ${displayPath(toBytes(at))}`}
        head={[t`Name`, t`Size`, t`Changed`, t`Where`]}
        numbers={[1]}
        rows={rows}
      />
      {hasMore || skip > 0 ? (
        <p class="links">
          {skip === 0 ? (
            ''
          ) : (
            <a href={pagePath(frame, set.id, at, Math.max(0, skip - entriesShown))}>{t`Before`}</a>
          )}
          {hasMore ? (
            <a href={pagePath(frame, set.id, at, skip + entriesShown)}>
              {t`After`} {formatNumber(skip + entries.length)}
            </a>
          ) : (
            ''
          )}
        </p>
      ) : (
        ''
      )}
      <RestoreForm frame={frame} setId={set.id} at={at} isHere={isHere} />
    </>
  );
  return { title: `${displayPath(toBytes(at))} (${set.id})`, body };
};

type Entry = FileRow | Uint8Array;

/** The entries of a folder from some number on, without the folder itself. */
async function entriesIn(
  catalog: Catalog,
  setId: string,
  folder: string,
  skip: number,
): Promise<{ entries: Entry[]; hasMore: boolean }> {
  const entries: Entry[] = [];
  let passed = 0;
  for await (const page of childrenOf(catalog, setId, folder))
    for (const entry of page) {
      const path = fromBytes(entry instanceof Uint8Array ? entry : entry.path);
      if (path === folder) continue;
      passed += 1;
      if (passed <= skip) continue;
      if (entries.length === entriesShown) return { entries, hasMore: true };
      entries.push(entry);
    }
  return { entries, hasMore: false };
}

function pagePath(frame: Frame, setId: string, at: string, skip: number): string {
  return `${frame.base}sets/${setId}/files?at=${encodeName(at)}&skip=${skip}`;
}

/** A name with its link, as `ls` shows it, without the folder that it stands in. */
function EntryLink(props: {
  setId: string;
  path: Uint8Array;
  folder: string;
  frame: Frame;
  isFolder: boolean;
}) {
  const { setId, path, folder, frame, isFolder } = props;
  const name = fromBytes(path);
  return (
    <a class={`path ${isFolder ? 'folder' : ''}`} href={frame.base + filesPath(setId, name)}>
      {displayName(name.slice(folder.length))}
    </a>
  );
}

/** The folders above a path. */
function Crumbs({ setId, at, frame }: { setId: string; at: string; frame: Frame }) {
  const parts = at.split('/').filter((part) => part !== '');
  return (
    <nav aria-label={t`Path`} class="crumbs">
      <a href={`${frame.base}sets/${setId}`}>
        {t`Set`} {setId}
      </a>
      <a href={`${frame.base}sets/${setId}/files`}>/</a>
      {parts.map((part, index) => {
        const name = parts.slice(0, index + 1).join('/');
        const isLast = index === parts.length - 1;
        const path = isLast ? at : `${name}/`;
        return (
          <a
            class="path"
            href={frame.base + filesPath(setId, path)}
            aria-current={isLast ? 'location' : undefined}
          >
            {displayName(part)}
            {isLast && !at.endsWith('/') ? '' : '/'}
          </a>
        );
      })}
    </nav>
  );
}
