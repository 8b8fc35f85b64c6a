import type { Session } from '../session.js';
import { alignedLines, shownCell, widthsOf, type Row } from './aligned.js';

/** Prints a table; on a terminal with one line per row, for which it leaves out the columns named, in their order. */
export async function printTable(
  session: Session,
  rows: readonly Row[],
  leaveOut: readonly string[],
): Promise<void> {
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const lines = isSimple(rows, width)
    ? alignedLines(rows, plainWidth)
    : // Loaded only here: its tables of emoji and of ways to cut a text take longer than the whole rest of a list.
      (await import('./table.js')).fittedLines(rows, leaveOut, width);
  for (const line of lines) session.print(line);
}

/** True when every character takes one column, and every row fits. */
function isSimple(rows: readonly Row[], width: number | undefined): boolean {
  if (!rows.every((row) => row.every((cell) => /^[\x20-\x7e]*$/.test(shownCell(cell))))) return false;
  const widths = widthsOf(rows, plainWidth);
  return width === undefined || widths.reduce((sum, column) => sum + column + 2, -2) <= width;
}

function plainWidth(text: string): number {
  return text.length;
}
