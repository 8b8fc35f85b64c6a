import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { catalogFailure } from '../catalog/catalog-failure.js';
import { TapeflowFailure, describeError } from '../config/failures.js';
import { namedByAddress, ownForms, safeHeaders, signedIn, signIn } from './access/guard.js';
import { refusal } from './access/refusal.js';
import type { PageSecrets } from './access/secrets.js';
import { addActions } from './actions/routes.js';
import { serveAssets } from './assets.js';
import { liveUpdates } from './live.js';
import { nameIn } from './names.js';
import { drivePage } from './pages/drive.js';
import { drivesPage } from './pages/drives.js';
import { filesPage } from './pages/files.js';
import { findPage } from './pages/find.js';
import type { Frame } from './pages/frame.js';
import { Layout } from './pages/layout.js';
import { overviewPage } from './pages/overview.js';
import type { MakePage, Page } from './pages/page.js';
import { readPage } from './pages/read.js';
import { schedulesPage } from './pages/schedules.js';
import { setPage } from './pages/set.js';
import { setsPage } from './pages/sets.js';
import { tapePage } from './pages/tape.js';
import { tapesPage } from './pages/tapes.js';
import type { Site } from './site.js';
import { Sentence } from './pages/sentence.js';
import { english } from '../messages/sentence.js';
import { shown, t } from '../messages/shown.js';

/** Where each page is, below the base, and under which place of the head it stands. */
const pages: [path: string, at: string, make: MakePage][] = [
  ['', '', overviewPage],
  ['sets', 'sets', setsPage],
  ['sets/:set', 'sets', setPage],
  ['sets/:set/files', 'sets', filesPage],
  ['runs/:run', '', readPage],
  ['tapes', 'tapes', tapesPage],
  ['tapes/:tape', 'tapes', tapePage],
  ['schedules', 'schedules', schedulesPage],
  ['drives', 'drives', drivesPage],
  ['drives/:drive', 'drives', drivePage],
  ['find', 'find', findPage],
  // What a page that stays as it is looks at all the same: the commands that were given.
  ['messages', '', async () => ({ title: t`Commands given here`, body: <></>, live: true })],
];

/** Bytes of a form at most. */
const longestForm = 64 * 1024;

/**
 * The page as a function from requests to answers.
 *
 * @param served `ADDRESS:PORT` of the settings.
 */
export function pageApp(site: Site, secrets: PageSecrets, served: string): Hono {
  const { base } = secrets;
  const app = new Hono();
  app.use(safeHeaders, namedByAddress(served), signIn(secrets), signedIn(secrets));
  app.use(bodyLimit({ maxSize: longestForm }), ownForms(secrets));
  for (const [path, at, make] of pages)
    app.get(base + path, (context) => answer(context, site, secrets, at, make));
  serveAssets(app, base);
  liveUpdates(app, base);
  addActions(app, site);
  app.get('/', (context) => context.redirect(base, 303));
  app.notFound((context) => answer(context, site, secrets, '', noSuchPage));
  app.onError((error, context) => refusal(context, 500, t`The page failed: ${describeError(error)}.`));
  return app;
}

const noSuchPage: MakePage = () =>
  Promise.reject(new TapeflowFailure('NoSuchPage', english`There is no such page.`, { kind: 'usage' }));

async function answer(
  context: Context,
  site: Site,
  secrets: PageSecrets,
  at: string,
  make: MakePage,
): Promise<Response> {
  const { base, form } = secrets;
  const url = new URL(context.req.url);
  const frame: Frame = {
    ...{ base, at, form, host: site.settings.TAPEFLOW_HOST, isReadOnly: site.isReadOnly },
    back: (url.pathname + url.search).slice(base.length),
    actions: site.actions.all,
  };
  const { page, status } = await made(site, frame, make, context);
  const document = (
    <Layout frame={frame} title={page.title} isLive={page.live === true}>
      {page.body}
    </Layout>
  );
  return context.html(`<!doctype html>${String(await document)}`, status);
}

/** The page, or what is wrong: the catalog that is away is opened anew by the next request. */
async function made(
  site: Site,
  frame: Frame,
  make: MakePage,
  { req }: Context,
): Promise<{ page: Page; status: ContentfulStatusCode }> {
  try {
    const page = await make({
      ...{ site, frame },
      param: (name) => req.param(name) ?? '',
      query: (name) => req.query(name)?.trim() ?? '',
      name: (key) => nameIn(req.url, key),
    });
    return { page, status: 200 };
  } catch (error) {
    const failure = catalogFailure(error, site.settings.CATALOG_URL);
    const isOurs = failure instanceof TapeflowFailure;
    if (isOurs && failure.kind === 'usage') return { page: troublePage(failure, t`Not found`), status: 404 };
    site.forget();
    return { page: troublePage(failure, t`Not now`), status: 503 };
  }
}

function troublePage(failure: unknown, title: string): Page {
  const isOurs = failure instanceof TapeflowFailure;
  const body = (
    <div id="trouble" data-live>
      <h1>{title}</h1>
      <p class="lead">{shown(isOurs ? failure.message : `${describeError(failure)}.`)}</p>
      <p>
        <Sentence text={shown(isOurs ? (failure.advice ?? '') : '')} />
      </p>
    </div>
  );
  return { title, body, live: true };
}
