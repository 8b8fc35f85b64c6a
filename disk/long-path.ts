import { closeSync, constants, openSync } from 'node:fs';
import { pathOnly } from './open-flags.js';

/** Bytes of a path that Linux takes in one call, with the NUL at its end (`PATH_MAX` in linux/limits.h). */
const maxPathBytes = 4096;
/** Bytes of a longer path that are gone at once; beside them must be room for `/proc/self/fd/N/`. */
const stepBytes = 4000;
const slash = 0x2f;

/**
 * Calls with a path that the system takes: the one given, or for a longer one a short path of the same place, which is
 * valid during the call. Folders on the way are opened one from the other; `/proc/self/fd/N/rest` stands in for
 * `openat`, which Node lacks. Elsewhere than on Linux a long path is given as it is, and fails.
 */
export function atPath<Result>(path: Buffer, call: (path: Buffer) => Result): Result {
  if (path.length < maxPathBytes || process.platform !== 'linux') return call(path);
  let fd = -1;
  let rest = path;
  try {
    while (rest.length >= stepBytes) {
      const end = rest.lastIndexOf(slash, stepBytes);
      const next = openSync(below(fd, rest.subarray(0, end)), pathOnly | constants.O_DIRECTORY);
      if (fd >= 0) closeSync(fd);
      fd = next;
      rest = rest.subarray(end + 1);
    }
    return call(below(fd, rest));
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function below(fd: number, rest: Buffer): Buffer {
  return fd < 0 ? rest : Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), rest]);
}
