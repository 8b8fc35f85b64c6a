import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { alignedLines, shownCell, widthsOf, type Row } from './aligned.js';
import { t } from '../../messages/shown.js';

/** Minimum width of the last column; below it, other columns are left out. */
const minLastColumn = 12;

/** Lines of a table with aligned columns. Chinese characters and emoji take two columns of the terminal. */
export function tableLines(rows: readonly Row[]): string[] {
  return alignedLines(rows, stringWidth);
}

/**
 * The same with one terminal line per row: columns are left out, in the order of `shrinkGroup` (header names), until
 * the others fit, and a line that is still too long is truncated. A last line says what is missing.
 *
 * @param width columns of the terminal; undefined in a pipe, where nothing is left out.
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
    const widths = widthsOf(table, stringWidth);
    const head = stringWidth(shownCell(table[0]?.at(-1) ?? ''));
    const last = Math.min(Math.max(minLastColumn, head), widths.at(-1) ?? 0);
    return widths.slice(0, -1).reduce((sum, column) => sum + column + 2, last);
  };
  for (const name of leaveOut) if (least(shown()) > width) left.push(name);
  const lines = tableLines(shown()).map((line) => truncateTo(line, width));
  if (left.length === 0) return lines;
  const missing = t`Left out for lack of space: ${left.join(', ')}. \`| less -S\` or \`--json\` has all.`;
  return [...lines, missing];
}

/** Maximum number of lines for a sentence on a display; longer ones are truncated. */
const maxFoldedLines = 4;

/** Wraps a line between words; lines after the first are indented. */
export function wrapTo(line: string, width: number, indent: number): string[] {
  // Composed, as wrap-ansi returns it: the rest is what follows the first line.
  const whole = line.normalize();
  const [first = ''] = wrapAnsi(whole, width, { hard: true, trim: false }).split('\n');
  const rest = wrapAnsi(whole.slice(first.length).trimStart(), width - indent, { hard: true }).split('\n');
  const lines = [...rest.slice(0, maxFoldedLines - 2), rest.slice(maxFoldedLines - 2).join(' ')];
  return [
    first.trimEnd(),
    ...lines
      .filter((text) => text !== '')
      .map((text) => ' '.repeat(indent) + truncateTo(text, width - indent)),
  ];
}

/** A line of at most so many columns of the terminal. */
function truncateTo(line: string, width: number): string {
  if (stringWidth(line) <= width) return line;
  const options = { hard: true, wordWrap: false, trim: false };
  return `${wrapAnsi(line, width - 1, options).split('\n', 1)[0]}…`;
}
