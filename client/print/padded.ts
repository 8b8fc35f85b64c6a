/** Columns of the terminal that a text takes, of which a Chinese character needs two. */
export function columnsOf(text: string): number {
  return text.length + (text.match(/[\u3000-\u9fff\uff00-\uff60]/g)?.length ?? 0);
}

/** A text with blanks after it, or before it for a negative width. */
export function padded(text: string, width: number): string {
  const blanks = ' '.repeat(Math.max(0, Math.abs(width) - columnsOf(text)));
  return width < 0 ? blanks + text : text + blanks;
}
