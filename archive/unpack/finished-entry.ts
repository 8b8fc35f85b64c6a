import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchmodSync,
  lchownSync,
  lstatSync,
  openSync,
  constants,
  type Stats,
} from 'node:fs';
import { pathOnly } from '../../disk/open-flags.js';
import type { AttributedEntry } from './put-attributes.js';
import type { FileTimes, TimeSetter } from './set-times.js';

/** An entry whose content is in place, and how what else it has is set. Every call throws system errors. */
export interface FinishedEntry extends AttributedEntry {
  /** -1: that number stays as it is. */
  setOwner(uid: number, gid: number): void;
  setMode(mode: number): void;
  setTimes(times: FileTimes): void;
  stat(): Stats;
}

const noPath = new Uint8Array();

/** An open file or folder. */
export class OpenEntry implements FinishedEntry {
  readonly path = noPath;

  constructor(
    readonly fd: number,
    private readonly times: TimeSetter,
  ) {}

  setOwner(uid: number, gid: number): void {
    fchownSync(this.fd, uid, gid);
  }

  setMode(mode: number): void {
    fchmodSync(this.fd, mode);
  }

  setTimes(times: FileTimes): void {
    this.times.open(this.fd, times);
  }

  stat(): Stats {
    return fstatSync(this.fd);
  }
}

/** An entry by its own path in an open folder; a link there is never followed. */
abstract class PathEntry {
  readonly fd = -1;

  constructor(
    readonly path: Buffer,
    private readonly times: TimeSetter,
  ) {}

  setOwner(uid: number, gid: number): void {
    lchownSync(this.path, uid, gid);
  }

  setTimes(times: FileTimes): void {
    this.times.link(this.path, times);
  }

  stat(): Stats {
    return lstatSync(this.path);
  }
}

/** A symbolic link. */
export class LinkEntry extends PathEntry implements FinishedEntry {
  /** Links have no modes of their own. */
  setMode(): void {
    return;
  }
}

/**
 * A FIFO or device; its mode is set through a descriptor of the entry itself, which neither opens the device nor waits
 * for the other end of a FIFO.
 */
export class SpecialEntry extends PathEntry implements FinishedEntry {
  setMode(mode: number): void {
    if (process.platform !== 'linux') {
      lchmodSync(this.path, mode);
      return;
    }
    const fd = openSync(this.path, pathOnly | constants.O_NOFOLLOW);
    try {
      // What /proc has in place of the descriptor leads to that very entry, whatever its name means by now.
      if (!fstatSync(fd).isSymbolicLink()) chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeSync(fd);
    }
  }
}
