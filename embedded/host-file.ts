import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describeHolder, tryLock } from '../disk/exclusive-lock.js';

/** What the host process, which runs server and workers, writes about itself to the data folder. */
export interface HostFile {
  /** The host. */
  pid: number;
  /** The Temporal server's process. */
  serverPid: number;
  /** `127.0.0.1:port` of the Temporal server. */
  address: string;
  /** URL of the Temporal UI. */
  ui: string;
  /** TCP port on 127.0.0.1 where clients hold their leases. */
  controlPort: number;
  /** What a client must send there first. */
  token: string;
  /** Whether it keeps running after its last client. */
  sticky: boolean;
  /** The command that stops it where it is a service, which would start again; see `serviceStop`. */
  serviceStop?: string;
  /** Version of tapeflow that it runs; missing in version 0.1. */
  program?: string;
}

/** Path of that file. */
export function hostFile(dataDir: string): string {
  return path.join(dataDir, 'host.json');
}

/** The lock that the running host holds. */
export function hostLockFile(dataDir: string): string {
  return path.join(dataDir, 'host.lock');
}

/** Who starts, runs or stops a host, or keeps others from it, as part of a sentence; undefined: nobody. */
export function hostHolder(dataDir: string): string | undefined {
  const locked = tryLock(hostLockFile(dataDir), { role: 'look for a host', dataDir });
  if (!('lock' in locked)) return describeHolder(locked.heldBy);
  locked.lock.release();
  return undefined;
}

/** What the last host wrote; undefined when there is none or it cannot be read. May be stale after a crash. */
export function readHostFile(dataDir: string): HostFile | undefined {
  try {
    return JSON.parse(readFileSync(hostFile(dataDir), 'utf8')) as HostFile;
  } catch {
    return undefined;
  }
}

/** Replaces the file atomically, readable only by its owner, since it contains the token. */
export function writeHostFile(dataDir: string, host: HostFile): void {
  const part = `${hostFile(dataDir)}.${process.pid}.part`;
  rmSync(part, { force: true });
  // Never through an existing file.
  writeFileSync(part, JSON.stringify(host), { mode: 0o600, flag: 'wx' });
  renameSync(part, hostFile(dataDir));
}

export function removeHostFile(dataDir: string): void {
  rmSync(hostFile(dataDir), { force: true });
}
