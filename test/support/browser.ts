import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, type TestContext } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';

/** The system's own Chromium, under the names that it has. */
const program = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .flatMap((folder) =>
    ['chromium', 'chromium-browser', 'google-chrome'].map((name) => path.join(folder, name)),
  )
  .find((file) => existsSync(file));

/** Why a test cannot run that looks at the page; false when it can. */
export const noBrowser = program === undefined ? 'needs Chromium (package chromium)' : false;

/** The browser of a test, and what must not have happened in it. */
export interface Tab {
  page: Page;
  /** Errors of scripts, of the console, and windows that a script has opened: all of them are faults. */
  faults: string[];
}

let shared: Promise<Browser> | undefined;
after(async () => (await shared)?.close());

function browser(): Promise<Browser> {
  return (shared ??= chromium.launch({
    executablePath: program ?? '',
    // Of root, and where /dev/shm is small.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  }));
}

/**
 * A window of a profile that knows nothing yet, closed at the end of the test. All tests of a process share the
 * browser.
 */
export async function openTab(t: Pick<TestContext, 'after'>, options: { dark?: boolean } = {}): Promise<Tab> {
  const page = await (await browser()).newPage({ colorScheme: options.dark === true ? 'dark' : 'light' });
  t.after(() => page.close());
  // As long as for anything else in a test.
  page.setDefaultTimeout(120_000);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults };
}
