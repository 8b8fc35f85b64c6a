import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { english } from '../../messages/sentence.js';
import { describeError, TapeflowFailure, usageFailure } from '../../config/failures.js';

/** How each of our reports begins; a file that begins otherwise is not replaced by one. */
export const reportHead = '<!doctype html>\n<!-- a report of tapeflow -->\n';

/** Writes a report to a file; an earlier report there is replaced when the new one is complete. */
export function writeReport(file: string, text: string): void {
  const part = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  try {
    requireReport(file);
    writeWhole(part, text);
    renameSync(part, file);
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw new TapeflowFailure(
      'ReportNotWritten',
      english`The report cannot be written to ${file}: ${describeError(error)}`,
      {
        advice: english`\`--html FILE\` names a file in a folder that exists and that you may write to.`,
        cause: error,
      },
    );
  }
}

/** Makes a private file of its own; leaves none when that fails. */
function writeWhole(part: string, text: string): void {
  const handle = openSync(part, 'wx', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
}

/** Requires that a file is missing, or is a report: a slip must not replace another file. */
function requireReport(file: string): void {
  const there = lstatSync(file, { throwIfNoEntry: false });
  if (there === undefined || (there.isFile() && (there.size === 0 || beginningOf(file) === reportHead)))
    return;
  throw usageFailure(
    'WrongFile',
    english`${file} already exists, and is not a report of tapeflow.`,
    english`Nothing was changed. Name another file.`,
  );
}

function beginningOf(file: string): string {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(reportHead.length);
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(handle);
  }
}
