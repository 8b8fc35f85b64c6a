import { TapeflowFailure } from '../config/failures.js';
import { projectVersion } from '../config/project-dir.js';
import type { Settings } from '../config/settings.js';
import { readHostFile } from './host-file.js';
import { isAtLeast } from './obtain-cli.js';
import { joinHost, stopHost, takeLease } from './lease.js';

/**
 * Replaces server and workers that an older version of the program has left running: they would go on with the old
 * program on a catalog that this one brings up to date, and would not serve what it starts. They end in order; the sets
 * under way go on with the new ones. Does nothing where none run, or those of this version do. Throws `HostNewer` for
 * those of a newer one.
 */
export async function replaceFormerHost(settings: Settings, say: (sentence: string) => void): Promise<void> {
  // A lease, let go at once, would end a host whose own command has not taken its lease yet.
  if (readHostFile(settings.TAPEFLOW_DATA_DIR)?.program === projectVersion) return;
  const lease = await joinHost(settings);
  if (lease === undefined) return;
  const { pid, program, sticky } = lease.host;
  const its = program ?? 'a version before 0.2.0';
  if (program !== undefined && isAtLeast(program, projectVersion)) {
    await lease.release();
    throw new TapeflowFailure(
      'HostNewer',
      `Server and workers (pid ${pid}) run with tapeflow ${its}, and this command is of ${projectVersion}.`,
      { advice: 'Use that version, or a newer one.' },
    );
  }
  say(`Server and workers run with tapeflow ${its}: they are ended, and begin again with ${projectVersion}.`);
  await stopHost(lease);
  if (!sticky) return;
  const next = await takeLease(settings, say);
  await next.stay();
  await next.release();
}
