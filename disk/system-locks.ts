import { readFileSync, statSync } from 'node:fs';

/** A process that holds a lock on a file, according to the system's list. */
export interface SystemLock {
  pid: number;
  uid: number;
}

/**
 * Processes that hold a lock on a file, found without opening it; none where the system cannot tell (only Linux can) or
 * when they have just ended.
 */
export function systemLocksOn({ dev, ino }: { dev: bigint; ino: bigint }): SystemLock[] {
  if (process.platform !== 'linux') return [];
  const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
  const hex = (part: bigint) => part.toString(16).padStart(2, '0');
  const wanted = `${hex(major)}:${hex(minor)}:${ino}`;
  const found: SystemLock[] = [];
  try {
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, , , access, pid, file] = line.trim().split(/\s+/);
      if (file !== wanted || access !== 'WRITE') continue;
      const process = statSync(`/proc/${pid}`, { throwIfNoEntry: false });
      if (process !== undefined) found.push({ pid: Number(pid), uid: process.uid });
    }
  } catch {
    // No such list here.
  }
  return found;
}

/** A user's name for messages; `uid 1000` where it has none. */
export function userName(uid: number): string {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(uid));
    if (line !== undefined) return line.slice(0, line.indexOf(':'));
  } catch {
    // No such file here.
  }
  return `uid ${uid}`;
}
