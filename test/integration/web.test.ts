/** The web page as its user has it: served by `up`, seen in a real Chromium. All tests share one installation. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { secretsOf } from '../../web/access/secrets.js';
import { noBrowser, openTab, type Tab } from '../support/browser.js';
import { commandLine, Installation, type Running } from '../support/installation.js';
import { noise, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** Names that would do something if they were no text. */
const hostile = '<img src=x onerror=alert(1)>&"\'.txt';
const unprintable = 'new\nline';

let installation: Installation;
let up: Running;
/** The address that `up` prints. */
let url: string;
let endings: (() => unknown)[] = [];

before(async () => {
  const context = { after: (end: () => unknown) => endings.push(end) } as unknown as TestContext;
  installation = await Installation.make(context, { WEB_ADDRESS: '' });
  installation.env['TAPE_PATH'] = path.join(installation.root, 'drive');
  mkdirSync(installation.tapeDir);
  up = installation.start(['up', '--json']);
  await waitFor(() => up.output().includes('"page"'), '`up` to print the address of the page');
  url = (JSON.parse(up.output().trim().split('\n')[0] ?? '') as { page: string }).page;
});

after(async () => {
  for (const end of endings.reverse()) await end();
  endings = [];
});

/** The status of an answer, with any headers. */
function statusOf(address: string, options: http.RequestOptions = {}, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(address, { agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A browser that was let in. */
async function signedIn(t: TestContext): Promise<Tab & { base: string }> {
  const tab = await openTab(t);
  await tab.page.goto(url);
  return { ...tab, base: tab.page.url() };
}

test('without the token nobody is let in, and the token is a secret of the data folder', async () => {
  const file = path.join(installation.dataDir, 'web.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { origin, searchParams } = new URL(url);
  const token = searchParams.get('token') ?? '';
  assert.equal((JSON.parse(readFileSync(file, 'utf8')) as { token: string }).token, token);
  const wrong = token.replace(/^./, (first) => (first === '0' ? '1' : '0'));
  assert.equal(await statusOf(`${origin}/?token=${wrong}`), 403);
  assert.equal(await statusOf(`${origin}/`), 403);
  assert.equal(await statusOf(`${origin}/sets`), 403);
  assert.equal(await statusOf(url), 303);
});

test('another program or page cannot use the token of a browser that was let in', async () => {
  const { origin } = new URL(url);
  const answer = await fetch(url, { redirect: 'manual' });
  const cookie = answer.headers.get('set-cookie') ?? '';
  assert.match(cookie, /; HttpOnly/);
  assert.match(cookie, /; SameSite=Strict/);
  const base = answer.headers.get('location') ?? '';
  // Cookies go to every port of a machine: only the path keeps it from another server there.
  assert.ok(cookie.includes(`; Path=${base};`) && base.length > 16, cookie);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const headers = { cookie: cookie.split(';')[0] ?? '' };
  assert.equal(await statusOf(origin + base, { headers }), 200);
  // A name that leads to 127.0.0.1 (DNS rebinding).
  assert.equal(await statusOf(origin + base, { headers: { ...headers, host: 'tapes.example' } }), 421);
  const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  const post = (more: Record<string, string>, body: string) =>
    statusOf(`${origin}${base}actions/dismiss`, { method: 'POST', headers: { ...form, ...more } }, body);
  const page = await (await fetch(origin + base + 'tapes', { headers })).text();
  const secret = /name="form" value="([0-9a-f]+)"/.exec(page)?.[1] ?? '';
  const proven = `form=${secret}&no=1&back=`;
  assert.equal(await post({ origin, 'sec-fetch-site': 'same-origin' }, proven), 303);
  assert.equal(await post({ origin, 'sec-fetch-site': 'same-origin' }, 'no=1'), 403);
  assert.equal(await post({ origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }, proven), 403);
  assert.equal(await post({}, proven), 403);
});

test('a second `web` names the page that is served already', async () => {
  const { code, stdout } = await installation.run(['web']);
  assert.equal(code, 0);
  assert.match(stdout, /The page is served already, by pid \d+/);
  assert.ok(stdout.includes(url));
});

test(
  'a tape is asked for and labelled on the page, and the set is seen from its begin to its end',
  { skip: noBrowser },
  async (t) => {
    const { page, faults, base } = await signedIn(t);
    assert.ok(!page.url().includes('token'), page.url());
    await page.getByText('Nothing waits for you.').waitFor();
    const source = tempFolder(t);
    writeTree(source, {
      'a file': noise(200_000, 'web'),
      [`odd/${hostile}`]: 'text',
      [`odd/${unprintable}`]: 'x',
    });
    await installation.run(['backup', source, '--detach']);
    // The page was not loaded again.
    await page.getByText('Load a tape of pool default into lto1', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Label the tape in the drive' }).click();
    await page.getByLabel('Name, as on its sticker').fill('LTO007');
    await page.getByRole('button', { name: 'Label', exact: true }).click();
    await page.getByText('The tape in drive lto1 is labelled LTO007, pool default.').waitFor();
    await page.goto(`${base}sets`);
    await page.getByRole('link', { name: /^\d{4}-\d{2}_000001$/ }).click();
    await page.locator('.lead', { hasText: 'completed' }).waitFor();
    await page.locator('.log', { hasText: 'synced and committed' }).waitFor();
    await page.goto(`${base}tapes/LTO007`);
    await page.getByRole('heading', { name: 'Tape LTO007' }).waitFor();
    assert.deepEqual(faults, []);
  },
);

test(
  'a hostile name stays text, and the file that has it is found, and restored alone',
  { skip: noBrowser },
  async (t) => {
    const { page, faults, base } = await signedIn(t);
    await page.goto(`${base}find?glob=${encodeURIComponent('*.txt')}`);
    await page.locator('main').getByText(hostile).click();
    await page.getByRole('heading', { name: /^Files of set/ }).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    const target = path.join(tempFolder(t), 'restored');
    await page.getByLabel('Into the folder, by its whole path').fill(target);
    await page.getByRole('button', { name: 'Restore' }).click();
    await page.getByText('restore-000001 has begun').waitFor();
    await page.goto(`${base}runs/restore-000001`);
    await page.locator('.lead', { hasText: 'completed' }).waitFor();
    const [source = ''] = JSON.parse(
      installation.query<{ sources: string }>('select sources from sets')[0]?.sources ?? '[]',
    ) as string[];
    assert.equal(readFileSync(path.join(target, source, 'odd', hostile), 'utf8'), 'text');
    assert.throws(() => statSync(path.join(target, source, 'a file')), /ENOENT/);
    // A folder above the source, and a name with a newline.
    await page.goto(`${base}sets`);
    await page.getByRole('link', { name: /_000001$/ }).click();
    await page.getByRole('link', { name: 'Browse its files, and restore' }).click();
    for (const part of `${source}/odd`.split('/').filter((name) => name !== ''))
      await page
        .getByRole('link', { name: part, exact: true })
        .or(page.getByRole('link', { name: `${part}/`, exact: true }))
        .first()
        .click();
    await page.getByRole('link', { name: 'new\\nline' }).waitFor();
    assert.deepEqual(faults, []);
  },
);

test('what cannot be taken back is done only where its name is typed', { skip: noBrowser }, async (t) => {
  const { page, faults, base } = await signedIn(t);
  await page.goto(`${base}tapes/LTO007`);
  await page.getByText('Erase this tape').click();
  await page.getByLabel('Also what has not expired').check();
  await page.getByLabel('Type the tape’s name, LTO007, to erase it').fill('LTO008');
  await page.getByRole('button', { name: 'Erase' }).click();
  await page.getByText('is not the name LTO007. Nothing was done.').waitFor();
  assert.equal(installation.query(`select 1 from copies where state = 'committed'`).length, 1);
  assert.deepEqual(faults, []);
});

test(
  'a tape is distrusted and trusted again, its repack is previewed, and a set is copied to another pool',
  { skip: noBrowser },
  async (t) => {
    const { page, faults, base } = await signedIn(t);
    const state = () => installation.query<{ state: string }>('select state from tapes')[0]?.state;
    await page.goto(`${base}tapes/LTO007`);
    const distrust = page.locator('#distrust');
    await distrust.getByText('Do not trust it any more').click();
    await distrust.getByLabel('Type the tape’s name, LTO007:').fill('LTO008');
    await distrust.getByRole('button', { name: 'Distrust' }).click();
    await page.getByText('is not the name LTO007. Nothing was done.').last().waitFor();
    assert.equal(state(), 'usable');
    await distrust.getByText('Do not trust it any more').click();
    await distrust.getByLabel('Type the tape’s name, LTO007:').fill('LTO007');
    await distrust.getByRole('button', { name: 'Distrust' }).click();
    await page.getByText('The tape LTO007 takes no more writes').waitFor();
    assert.equal(state(), 'suspect');
    await page.getByText('Repack this tape').click();
    await page.locator('#repack').getByRole('button', { name: 'Preview' }).click();
    await page.getByText(/Of tape LTO007, 1 archive of .* other tapes of pool default/).waitFor();
    await page.getByRole('button', { name: 'Trust it again' }).click();
    await page.getByText('The tape LTO007 is used again.').waitFor();
    assert.equal(state(), 'usable');

    await page.goto(`${base}sets`);
    await page.getByRole('link', { name: /_000001$/ }).click();
    await page.getByText('Copy to another pool').click();
    await page.locator('#copy').getByLabel('Pool').fill('offsite');
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.getByText('copy-000002 has begun').waitFor();
    await page.goto(`${base}runs/copy-000002`);
    await page
      .getByText(/pool offsite/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.locator('.lead', { hasText: 'cancelled' }).waitFor();
    assert.deepEqual(faults, []);
  },
);

/** A schedule that only somebody who writes to the catalog could make, and whose run has failed. */
function addHostileSchedule(name: string): void {
  const catalog = new Database(path.join(installation.dataDir, 'catalog.db'));
  const row = {
    ...{ name, cron: '0 3 1 1 *', zone: 'UTC', command: `backup /${name}`, paused: 1, created_at: 1 },
    ...{ run_at: 2, run_ended_at: 3, run_reason: `The source /${name} does not exist.` },
    arguments: JSON.stringify({ sources: [`/${name}`], excludes: [], drive: 'lto1', pool: 'default' }),
  };
  const columns = Object.keys(row);
  const values = columns.map((column) => `@${column}`).join(', ');
  catalog.prepare(`insert into schedules (${columns.join(', ')}) values (${values})`).run(row);
  catalog.close();
}

test(
  'a schedule runs from the page, which shows how that ended, and is paused and resumed there',
  { skip: noBrowser },
  async (t) => {
    const { page, faults, base } = await signedIn(t);
    const source = tempFolder(t);
    writeTree(source, { file: 'text' });
    const when = ['--cron', '30 2 * * *', '--time-zone', 'Europe/Berlin'];
    await installation.run(['schedule', 'add', 'nightly', ...when, '--', 'backup', source]);
    addHostileSchedule(hostile);
    await page.goto(base);
    await page.getByRole('link', { name: 'Schedules' }).click();
    const card = page.getByRole('article').filter({ has: page.getByRole('heading', { name: /^nightly/ }) });
    await card.getByText(/ 02:30 \(Europe\/Berlin\)$/).waitFor();
    await card.getByText('none yet').waitFor();
    await page.getByText(`its last run failed: The source /${hostile} does not exist.`).waitFor();
    await page.getByRole('button', { name: `Resume schedule ${hostile}` }).waitFor();
    assert.equal(await page.locator('main img').count(), 0);

    await page.getByRole('button', { name: 'Run now schedule nightly' }).click();
    await page.getByText('Schedule nightly will run now.').waitFor();
    // The page was not loaded again.
    await card.locator('.state', { hasText: 'completed' }).waitFor();
    await page.getByRole('button', { name: 'Pause schedule nightly' }).click();
    await page.getByText('Schedule nightly is paused.').waitFor();
    await card.getByText('none while it is paused').waitFor();
    const paused = () => installation.query(`select 1 from schedules where name = 'nightly' and paused = 1`);
    assert.equal(paused().length, 1);
    await page.getByRole('button', { name: 'Resume schedule nightly' }).click();
    await page.getByText('Schedule nightly runs again.').waitFor();
    await card.getByText(/ 02:30 /).waitFor();
    assert.equal(paused().length, 0);
    await card.getByRole('link', { name: /^\d{4}-\d{2}_\d{6}$/ }).click();
    await page.getByRole('heading', { name: /^Set / }).waitFor();
    await page.getByText(source).first().waitFor();
    assert.deepEqual(faults, []);
  },
);

test(
  'a page that is open says that nothing answers, and goes on when it is served again',
  { skip: noBrowser },
  async (t) => {
    const { page } = await signedIn(t);
    await page.getByText('Nothing waits for you.').waitFor();
    for (const pid of await installation.processes())
      if (commandLine(pid).includes('web')) process.kill(pid, 'SIGKILL');
    await page.getByText('No connection to tapeflow').waitFor();
    // `up` has started it again, and the browser has asked again: at the same address, with its cookie.
    await page.getByText('No connection to tapeflow').waitFor({ state: 'hidden' });
    await page.reload();
    await page.getByText('Nothing waits for you.').waitFor();
  },
);

test('a page that shows only has no form, takes no command, and needs no server', async () => {
  await installation.run(['down']);
  await up.ended;
  const web = installation.start(['web', '--read-only', '--json']);
  await waitFor(() => web.output().includes('"page"'), 'the page to be served');
  assert.equal((JSON.parse(web.output()) as { page: string }).page, url, 'at the same address as before');
  const answer = await fetch(url, { redirect: 'manual' });
  const headers = { cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '' };
  const base = new URL(url).origin + (answer.headers.get('location') ?? '');
  const tapes = await (await fetch(`${base}tapes`, { headers })).text();
  assert.match(tapes, /LTO007/);
  const schedules = await (await fetch(`${base}schedules`, { headers })).text();
  assert.match(schedules, /No server runs, so nothing runs automatically/);
  const tape = await (await fetch(`${base}tapes/LTO007`, { headers })).text();
  for (const shown of [tapes, tape, schedules]) assert.doesNotMatch(shown, /<form/);
  const form = { ...headers, origin: new URL(url).origin, 'sec-fetch-site': 'same-origin' };
  const secret = secretsOf(new URL(url).searchParams.get('token') ?? '').form;
  for (const action of ['pause', 'schedule-pause', 'schedule-run', 'distrust', 'repack', 'copy']) {
    const body = new URLSearchParams({ form: secret, schedule: 'nightly', tape: 'LTO007', name: 'LTO007' });
    const posted = await fetch(`${base}actions/${action}`, { method: 'POST', headers: form, body });
    assert.equal(posted.status, 403, action);
    assert.match(await posted.text(), /This page shows only/);
  }
  web.child.kill('SIGTERM');
  assert.equal((await web.ended).code, 0);
});
