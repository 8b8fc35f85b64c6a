import { randomUUID } from 'node:crypto';
import { closeSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { systemErrorCode } from '../config/failures.js';
import { grantGroupRead } from '../config/shared-group.js';
import { readThisHost, thisHostFile, type ThisHost } from '../config/settings/host-name.js';

/**
 * Keeps the name of this host in its data folder, with an id that is made once. Several workers may begin at once: the
 * first one's id counts.
 */
export function keepThisHost(dataDir: string, name: string): ThisHost {
  const known = readThisHost(dataDir);
  if (known?.name === name) return known;
  const kept = { name, id: known?.id ?? randomUUID() };
  const file = thisHostFile(dataDir);
  const part = `${file}.${process.pid}-${randomUUID().slice(0, 8)}.part`;
  const fd = openSync(part, 'wx', 0o600);
  try {
    writeFileSync(fd, `${JSON.stringify(kept)}\n`);
    grantGroupRead(fd);
  } finally {
    closeSync(fd);
  }
  try {
    if (known === undefined) linkSync(part, file);
    else renameSync(part, file);
    return kept;
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    // Another worker was faster; or what is there cannot be read, and is replaced.
    if (readThisHost(dataDir) !== undefined) return keepThisHost(dataDir, name);
    renameSync(part, file);
    return kept;
  } finally {
    rmSync(part, { force: true });
  }
}
