import { shown, t } from '../../messages/shown.js';
import type { Report } from '../../operations/report/report.js';
import { columnsOf, padded } from '../print/padded.js';
import { printTable } from '../print/print-table.js';
import type { Session } from '../session.js';
import { periodText, summaryFigures } from './report-summary.js';
import { reportTables } from './report-tables.js';

/** Prints a report for a terminal. */
export async function printReport(session: Session, report: Report): Promise<void> {
  session.print(t`Report of ${periodText(report)}`);
  session.print('');
  const figures = summaryFigures(report);
  const wide = Math.max(...figures.map(({ name }) => columnsOf(name))) + 2;
  for (const { name, value, more } of figures)
    session.print(`  ${padded(name + t`:`, wide)}${value}${more === '' ? '' : t` (${more})`}`);
  for (const table of reportTables(report, { allSets: false })) {
    session.print('');
    session.print(table.title.toUpperCase());
    if (table.rows.length === 0) session.print(`  ${table.empty}`);
    else {
      if (table.isNoteShown === true) session.print(`  ${table.note}`);
      await printTable(session, [table.head.map(shown), ...table.rows], table.leaveOut.map(shown));
    }
  }
  session.print('');
  session.print(t`What needs a person`.toUpperCase());
  if (report.facts.length === 0) session.print(`  ${t`Nothing does.`}`);
  for (const { what, todo, command } of report.facts) {
    session.print(`  ${shown(what)}`);
    session.print(`    → ${shown(todo)}`);
    session.print(`      ${command}`);
  }
}
