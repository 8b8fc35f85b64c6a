import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { knownInstallation } from '../../../catalog/installation.js';
import { usageFailure } from '../../../config/failures.js';
import { readReport } from '../../../operations/report/report.js';
import { timeGiven } from '../../print/row-filter.js';
import { reportObject } from '../../report/report-object.js';
import { reportPage } from '../../report/report-page.js';
import { printReport } from '../../report/report-text.js';
import { writeReport } from '../../report/write-report.js';
import { inReadOnlySession, userPath, type Session } from '../../session.js';

/** `report`: what was backed up, and what there is, from the catalog alone. */
export function addReport(program: Command): void {
  program
    .command('report')
    .option('--since <time>', 'of what was done since a date, or within a time such as 7d or 1y', '30d')
    .option('--html <file>', 'write it as a page to a file, with plots, to be read or printed')
    .action((flags: ReportFlags, command: Command) =>
      inReadOnlySession(command, (session) => report(session, flags)),
    );
}

interface ReportFlags {
  since: string;
  html?: string;
}

async function report(session: Session, { since, html }: ReportFlags): Promise<void> {
  const to = Date.now();
  const from = timeGiven(since, '--since', to);
  if (from >= to)
    throw usageFailure(
      'WrongTime',
      english`--since ${since} is not in the past.`,
      english`The report is of what was done since then.`,
    );
  const { settings } = session;
  const catalog = await session.catalog();
  const wish = { retentions: settings.retentions, noSuccessDays: settings.NOTIFY_NO_SUCCESS_DAYS };
  const read = await readReport(catalog, { from, to, ...wish });
  if (html !== undefined) {
    const file = userPath(html);
    const installation =
      settings.TAPEFLOW_INSTALLATION ?? (await knownInstallation(catalog))?.slice(0, 8) ?? '';
    writeReport(file, reportPage(read, { installation, host: settings.TAPEFLOW_HOST }));
    session.say(t`The report is in ${file}.`);
  }
  if (session.json) session.emit(reportObject(read));
  else if (html === undefined) await printReport(session, read);
}
