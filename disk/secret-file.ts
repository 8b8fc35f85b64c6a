import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { systemErrorCode } from '../config/failures.js';

/** What a file with a secret holds, and its mode in octal digits if others may read it. */
export interface SecretFile {
  text: string;
  exposed: string | undefined;
}

/**
 * Reads a file whose content only its user may know; undefined where there is none. Both are of the same open file.
 * Throws the system's error. On Windows, which has no mode bits, the permissions of the folder count.
 */
export function readSecretFile(file: string): SecretFile | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode } = fstatSync(fd);
    const isExposed = process.platform !== 'win32' && (mode & 0o077) !== 0;
    return { text: readFileSync(fd, 'utf8'), exposed: isExposed ? (mode & 0o777).toString(8) : undefined };
  } finally {
    closeSync(fd);
  }
}
