import { futimesSync, lutimesSync } from 'node:fs';
import { fileTime } from '../../entry/file-time.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { PackedMember } from '../../entry/member.js';
import { loadAddon } from '../../native/addon.js';

/** A modification time. */
export type FileTimes = Pick<PackedMember, 'mtimeS' | 'mtimeNs'>;

/** Sets the modification time of restored entries, and the access time to the same. Both throw system errors. */
export interface TimeSetter {
  open(fd: number, times: FileTimes): void;
  /** For a symbolic link itself. */
  link(path: Buffer, times: FileTimes): void;
}

const nothing = new Uint8Array();

/** Exact to the nanosecond with the native part; otherwise as exact as `node:fs` (`fileTime`). */
export function timeSetter(choice: CodecChoice): TimeSetter {
  const setTimes = choice === 'zlib' ? undefined : loadAddon()?.setTimes;
  return {
    open(fd, times) {
      if (setTimes?.(fd, nothing, times.mtimeS, times.mtimeNs) !== true)
        futimesSync(fd, fileTime(times), fileTime(times));
    },
    link(path, times) {
      if (setTimes?.(-1, path, times.mtimeS, times.mtimeNs) !== true)
        lutimesSync(path, fileTime(times), fileTime(times));
    },
  };
}
