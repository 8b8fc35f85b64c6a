/** A line is longer than allowed. */
export class LineTooLong extends Error {}

/**
 * The lines of a UTF-8 stream, without their ends. Keeps at most one line and one chunk in memory: `readline` would
 * buffer an endless line before its length could be checked.
 *
 * @param longest bytes; a longer line throws `LineTooLong`.
 */
export async function* linesOf(stream: AsyncIterable<unknown>, longest: number): AsyncGenerator<string> {
  const newLine = 0x0a;
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer) => {
    length += part.length;
    if (length > longest) throw new LineTooLong();
    parts.push(part);
  };
  for await (const data of stream) {
    const chunk = data as Buffer;
    let from = 0;
    for (let end = chunk.indexOf(newLine); end !== -1; end = chunk.indexOf(newLine, from)) {
      take(chunk.subarray(from, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      length = 0;
      from = end + 1;
    }
    take(chunk.subarray(from));
  }
  if (length > 0) yield Buffer.concat(parts).toString('utf8');
}
