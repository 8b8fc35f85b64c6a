import { formatNumber } from '../../config/counts.js';
import type { Session } from '../session.js';

type Row = readonly (string | number)[];

/** Minimum width of the last column; below it, other columns are left out. */
const minLastColumn = 12;

/** Lines of a table with aligned columns; numbers to the right. The first row is the header. */
export function tableLines(rows: readonly Row[]): string[] {
  const widths = widthsOf(rows);
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        if (typeof cell === 'number') return formatNumber(cell).padStart(width);
        return column === row.length - 1 ? cell : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

/**
 * The same with one terminal line per row: columns are left out, in the order of `shrinkGroup` (header names), until
 * the others fit, and a line that is still too long is truncated. A last line says what is missing.
 *
 * @param width width of a line in characters; undefined in a pipe, where nothing is left out.
 */
export function fittedLines(
  rows: readonly Row[],
  leaveOut: readonly string[],
  width: number | undefined,
): string[] {
  if (width === undefined) return tableLines(rows);
  const left: string[] = [];
  const shown = () => {
    const columns = [...(rows[0] ?? []).keys()].filter((column) => !left.includes(String(rows[0]?.[column])));
    return rows.map((row) => columns.map((column) => row[column] ?? ''));
  };
  // The last column has names of any length: it may be truncated, but not too much.
  const least = (table: readonly Row[]) => {
    const widths = widthsOf(table);
    const last = Math.min(Math.max(minLastColumn, String(table[0]?.at(-1) ?? '').length), widths.at(-1) ?? 0);
    return widths.slice(0, -1).reduce((sum, column) => sum + column + 2, last);
  };
  for (const name of leaveOut) if (least(shown()) > width) left.push(name);
  const lines = tableLines(shown()).map((line) => truncateTo(line, width));
  if (left.length === 0) return lines;
  return [...lines, `Left out for lack of space: ${left.join(', ')}. \`| less -S\` or \`--json\` has all.`];
}

/** Prints a table; on a terminal with one line per row. */
export function printTable(session: Session, rows: readonly Row[], leaveOut: readonly string[]): void {
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  for (const line of fittedLines(rows, leaveOut, width)) session.print(line);
}

/** Maximum number of lines for a sentence on a display; longer ones are truncated. */
const maxFoldedLines = 4;

/** Wraps a line between words; lines after the first are indented. */
export function wrapTo(line: string, width: number, indent: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width && lines.length < maxFoldedLines - 1) {
    const margin = lines.length === 0 ? 0 : indent;
    const space = rest.lastIndexOf(' ', width);
    // A word longer than a line is broken at the end of the line.
    const at = space > margin + width / 2 ? space : width;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at).trimStart();
  }
  return [...lines, truncateTo(rest, width)];
}

/** A line of at most so many characters. */
export function truncateTo(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

function widthsOf(rows: readonly Row[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      const { length } = typeof cell === 'number' ? formatNumber(cell) : cell;
      widths[column] = Math.max(widths[column] ?? 0, length);
    }
  }
  return widths;
}
