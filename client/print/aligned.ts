import { formatNumber } from '../../config/counts.js';
import { escapeForTerminal } from '../../entry/byte-string.js';

export type Row = readonly (string | number)[];

/** Columns of the terminal that a text takes. */
export type Measure = (text: string) => number;

/** Lines of a table with aligned columns; numbers to the right. The first row is the header. */
export function alignedLines(rows: readonly Row[], measure: Measure): string[] {
  const widths = widthsOf(rows, measure);
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const text = shownCell(cell);
        const blanks = ' '.repeat((widths[column] ?? 0) - measure(text));
        return typeof cell === 'number' ? blanks + text : text + blanks;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Columns of the terminal that each column of the table needs. */
export function widthsOf(rows: readonly Row[], measure: Measure): number[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, measure(shownCell(cell)));
  return widths;
}

/** A cell as it will be shown: what a terminal would hide or obey is escaped before anything is measured. */
export function shownCell(cell: string | number): string {
  return typeof cell === 'number' ? formatNumber(cell) : escapeForTerminal(cell);
}
