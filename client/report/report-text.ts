import type { Report } from '../../operations/report/report.js';
import { printTable } from '../print/print-table.js';
import type { Session } from '../session.js';
import { periodText, summaryFigures } from './report-summary.js';
import { reportTables } from './report-tables.js';

/** Prints a report for a terminal. */
export async function printReport(session: Session, report: Report): Promise<void> {
  session.print(`Report of ${periodText(report)}`);
  session.print('');
  const figures = summaryFigures(report);
  const wide = Math.max(...figures.map(({ name }) => name.length)) + 2;
  for (const { name, value, more } of figures)
    session.print(`  ${`${name}:`.padEnd(wide)}${value}${more === '' ? '' : ` (${more})`}`);
  for (const table of reportTables(report, { allSets: false })) {
    session.print('');
    session.print(table.title.toUpperCase());
    if (table.rows.length === 0) session.print(`  ${table.empty}`);
    else {
      if (table.isNoteShown === true) session.print(`  ${table.note}`);
      await printTable(session, [table.head, ...table.rows], table.leaveOut);
    }
  }
  session.print('');
  session.print('WHAT NEEDS A PERSON');
  if (report.facts.length === 0) session.print('  Nothing does.');
  for (const { what, todo, command } of report.facts) {
    session.print(`  ${what}`);
    session.print(`    → ${todo}`);
    session.print(`      ${command}`);
  }
}
