import { readFileSync, statSync, writeFileSync } from 'node:fs';

/** What a file is known by: every change of its bytes changes its ctime, which nobody but root can set. */
function signsOf(file: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** The note beside a file. */
function noteOf(file: string): string {
  return `${file}.checked`;
}

/** True if the file is the one whose hash `noteChecked` has recorded. */
export function isAsChecked(file: string, hash: string): boolean {
  try {
    return readFileSync(noteOf(file), 'utf8') === `${hash} ${signsOf(file)}`;
  } catch {
    return false;
  }
}

/** Records that a file was read and has that hash; where that cannot be written, it is read again the next time. */
export function noteChecked(file: string, hash: string): void {
  try {
    writeFileSync(noteOf(file), `${hash} ${signsOf(file)}`, { mode: 0o600 });
  } catch {
    // The note only saves time.
  }
}
