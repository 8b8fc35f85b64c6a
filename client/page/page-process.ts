import { fstatSync } from 'node:fs';
import path from 'node:path';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';
import type { Logger } from '../../config/logger.js';
import { projectDir } from '../../config/project-dir.js';
import type { Settings } from '../../config/settings/settings.js';
import { WorkerProcess } from '../../embedded/worker-process.js';
import { pageAddressOf, pageUrl, readPageFile } from './page-file.js';

/** Milliseconds that `up` waits for the page before it says what else there is to say. */
const patienceMs = 10_000;

/** The page beside `up`. */
export interface PageProcess {
  /** Its address with the token; undefined where it is off, or not served yet. */
  url(): Promise<string | undefined>;
  stop(): Promise<void>;
}

/**
 * Serves the page in a process of its own, which is started again when it dies: what reads the catalog for somebody who
 * looks must neither hold up nor end what runs server and workers.
 *
 * @param say tells, once, why it is not served.
 */
export function startPage(settings: Settings, logger: Logger, say: (sentence: string) => void): PageProcess {
  if (settings.WEB_ADDRESS === 'off') return { url: async () => undefined, stop: async () => undefined };
  let told: () => void = () => undefined;
  let said: string | undefined;
  const first = new Promise<void>((resolve) => (told = resolve));
  const web = new WorkerProcess('web page', ['web'], {
    ...{ script: path.join(projectDir, 'bin', 'tapeflow.cjs'), logger, address: () => '', say },
    changed() {
      const { trouble } = web.report;
      if (trouble !== undefined && trouble !== said) say(english`The page is not served now: ${trouble}`);
      said = trouble ?? said;
      told();
    },
  });
  web.run();
  return {
    async url() {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([first, new Promise((resolve) => (timer = setTimeout(resolve, patienceMs)))]);
      clearTimeout(timer);
      const page = web.report.ready ? readPageFile(settings.TAPEFLOW_DATA_DIR) : undefined;
      return page && pageUrl(pageAddressOf(settings, page), page.token);
    },
    stop: () => web.stop(),
  };
}

/** The address as `up` prints it: into the journal of a service, which others may read too, without the token. */
export function shownPageUrl(url: string): string {
  if (!isJournal()) return url;
  return url.replace(/\?.*$/, '') + t` (\`tapeflow web\` prints it with its token)`;
}

/** True when what is printed goes to systemd's journal, as systemd.exec(5) says how to tell. */
export function isJournal(): boolean {
  const { JOURNAL_STREAM: journal = '' } = process.env;
  if (journal === '') return false;
  const { dev, ino } = fstatSync(process.stdout.fd);
  return journal === `${dev}:${ino}`;
}
