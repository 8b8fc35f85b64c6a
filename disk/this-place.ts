import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import os from 'node:os';

/** Made anew by Linux at each boot: of no two machines the same, also where one is a copy of the other. */
const bootIdFile = '/proc/sys/kernel/random/boot_id';

/**
 * What tells this place from every other that workers run in: the running system and the data folder itself. It stays
 * the same with another name of the machine or of a container, and is another one for a copy of the folder.
 */
export function placeId(dataDir: string): string {
  const { dev, ino } = statSync(dataDir, { bigint: true });
  return createHash('sha256').update(`${systemId()} ${dev} ${ino}`).digest('hex').slice(0, 16);
}

/** The running system; where it has no id, the machine's name. */
function systemId(): string {
  try {
    return readFileSync(bootIdFile, 'latin1').trim();
  } catch {
    return os.hostname();
  }
}
