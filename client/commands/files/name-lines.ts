import { createReadStream } from 'node:fs';
import path from 'node:path';
import { exactText, fromText, parseDisplayName } from '../../../entry/byte-string.js';
import { memberNameOf } from '../../../entry/member-name.js';
import { describeError, usageFailure } from '../../../config/failures.js';
import { userPath } from '../../session.js';
import { english } from '../../../messages/sentence.js';

/** A file with one path on each line, or each ended by a NUL; `-`: standard input. */
export interface NameFile {
  file: string;
  ending: '\n' | '\0';
}

/** Names per page. */
const pageNames = 1000;

/**
 * The member names that the lines of a file mean, as byte strings and in pages. A line is a path as it is, without
 * globs, relative to where the user stands; where `ls` would have escaped something, also the name that it shows.
 */
export async function* namesInFile({ file, ending }: NameFile): AsyncGenerator<string[][]> {
  let page: string[][] = [];
  const base = fromText(userPath('.'));
  for await (const line of linesOf(file, ending)) {
    if (line === '') continue;
    const name = (text: string) => memberNameOf(path.resolve(base, text), process.platform);
    const shown = line.includes('\\') ? exactText(line) : undefined;
    page.push(shown === undefined ? [name(line)] : [name(line), name(parseDisplayName(shown))]);
    if (page.length < pageNames) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

async function* linesOf(file: string, ending: string): AsyncGenerator<string> {
  const stream = file === '-' ? process.stdin : createReadStream(userPath(file));
  let rest = '';
  try {
    for await (const chunk of stream) {
      const lines = (rest + (chunk as Buffer).toString('latin1')).split(ending);
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    throw usageFailure(
      'WrongFilesFrom',
      english`The list ${file} cannot be read: ${describeError(error)}.`,
      english`Nothing was restored.`,
    );
  }
  yield rest;
}
