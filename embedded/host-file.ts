import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What the process that runs server and workers tells of itself, in the data folder. */
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
  /** What a client must say there first. */
  token: string;
  /** Whether it stays after its last client. */
  sticky: boolean;
  /** Version of tapeflow that it runs with; version 0.1 did not tell. */
  program?: string;
}

/** Where it stands. */
export function hostFile(dataDir: string): string {
  return path.join(dataDir, 'host.json');
}

/** The lock that the running host holds. */
export function hostLockFile(dataDir: string): string {
  return path.join(dataDir, 'host.lock');
}

/** What the last host wrote; undefined when none runs or the file cannot be read. May be stale after a crash. */
export function readHostFile(dataDir: string): HostFile | undefined {
  try {
    return JSON.parse(readFileSync(hostFile(dataDir), 'utf8')) as HostFile;
  } catch {
    return undefined;
  }
}

/** Replaces the file at once, readable by its owner alone: it carries the token. */
export function writeHostFile(dataDir: string, host: HostFile): void {
  const part = `${hostFile(dataDir)}.${process.pid}.part`;
  rmSync(part, { force: true });
  // Never through what stands there.
  writeFileSync(part, JSON.stringify(host), { mode: 0o600, flag: 'wx' });
  renameSync(part, hostFile(dataDir));
}

export function removeHostFile(dataDir: string): void {
  rmSync(hostFile(dataDir), { force: true });
}
