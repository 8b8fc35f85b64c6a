import { setTimeout as sleep } from 'node:timers/promises';
import gt from 'semver/functions/gt.js';
import { english } from '../messages/sentence.js';
import { t } from '../messages/shown.js';
import { TapeflowFailure } from '../config/failures.js';
import { projectVersion } from '../config/project-dir.js';
import type { Settings } from '../config/settings/settings.js';
import { hostHolder, readHostFile } from './host-file.js';
import { joinHost, stopHost, takeLease, type Lease } from './lease.js';

/**
 * Replaces a server and workers left running by an older version: they would use the old program on a catalog that this
 * one migrates, and could not serve what it starts. They shut down cleanly; running sets continue with the new ones.
 * Does nothing when none are running or they are of this version. Throws `HostNewer` for those of a newer version.
 */
export async function replaceOutdatedHost(
  settings: Settings,
  say: (sentence: string) => void,
): Promise<void> {
  const lease = await joinOutdated(settings);
  if (lease === undefined) return;
  const { pid, program, sticky } = lease.host;
  const its = program ?? english`a version before 0.2.0`;
  if (program !== undefined && gt(program, projectVersion)) {
    await lease.release();
    throw new TapeflowFailure(
      'HostNewer',
      english`Server and workers (pid ${pid}) run with tapeflow ${its}, and this command is of
        ${projectVersion}.`,
      { advice: english`Use that version, or a newer one.` },
    );
  }
  say(
    t`Server and workers run with tapeflow ${its}: they are stopped and started again with
      ${projectVersion}.`,
  );
  await stopHost(lease);
  if (!sticky) return;
  const next = await takeLease(settings, say);
  await next.stay();
  await next.release();
}

/** A lease on a host of another version; the end of one that stops is waited for, since it still uses the catalog. */
async function joinOutdated(settings: Settings): Promise<Lease | undefined> {
  const dataDir = settings.TAPEFLOW_DATA_DIR;
  for (;;) {
    const left = readHostFile(dataDir);
    // Taking and releasing a lease would stop a host whose own command has not taken its lease yet.
    if (left === undefined || left.program === projectVersion) return undefined;
    const lease = await joinHost(settings);
    if (lease !== undefined || hostHolder(dataDir) === undefined) return lease;
    await sleep(200);
  }
}
