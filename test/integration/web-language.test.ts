/** The web page in Chinese, seen in a real Chromium. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { noBrowser, openTab } from '../support/browser.js';
import { Installation } from '../support/installation.js';
import { longTest, tempFolder, writeTree } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

/** A name that would do something if it were no text, or if it were a template. */
const hostile = '<img src=x onerror=alert(1)> {0} $t(Sets)';

test('the page speaks the language of its settings, and names stay as they are', async (t) => {
  const installation = await Installation.make(t, { WEB_ADDRESS: '', LANGUAGE_TAG: 'zh-CN' });
  installation.env['TAPE_PATH'] = path.join(installation.root, 'drive');
  mkdirSync(installation.tapeDir);
  const up = installation.start(['up', '--json']);
  await waitFor(() => up.output().includes('"page"'), '`up` to print the address of the page');
  const { page: url } = JSON.parse(up.output().trim().split('\n')[0] ?? '') as { page: string };
  const refused = await fetch(new URL('/', url));
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /<html lang="zh-CN">.*网页不认识此浏览器。/s);
  const folder = tempFolder(t);
  writeTree(folder, { [`${hostile}/file`]: 'text' });
  await installation.run(['backup', path.join(folder, hostile), '--detach']);
  await t.test('in a browser', { skip: noBrowser || longTest }, async (inner) => {
    const { page, faults } = await openTab(inner);
    await page.goto(url);
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
    await page.getByRole('heading', { name: '需要处理' }).waitFor();
    await page.getByText('请将磁带池 default 的磁带装入 lto1', { exact: true }).waitFor();
    await page.locator('#running').getByText(hostile).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    await page.getByRole('link', { name: '为磁带机中的磁带贴标签' }).waitFor();
    await page.getByRole('link', { name: '计划任务' }).click();
    await page.getByText('没有计划任务。').waitFor();
    assert.deepEqual(faults, []);
  });
});
