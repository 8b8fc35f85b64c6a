import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Installation } from './installation.js';
import type { OwnServer } from './own-server.js';
import { waitFor } from './wait-for.js';

/** The set that tests begin whose server and workers are their own. */
export const setId = '2026-11_000001';

/** For a test's `skip`. */
export const needsStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace';

export interface OwnSet {
  installation: Installation;
  server: OwnServer;
  source: string;
}

/**
 * Begins the set; the workers are the test's to start.
 *
 * @param options further ones of `backup`.
 */
export async function beginSet(
  { installation, server, source }: OwnSet,
  options: readonly string[] = [],
): Promise<void> {
  const args = ['backup', source, '--set', setId, '--detach', ...options];
  const started = await installation.run(args, server.env);
  assert.equal(started.code, 0, started.stderr);
}

/** Waits until the set has completed; a set that has failed fails the test with its reason. */
export async function setCompletes({ installation }: Pick<OwnSet, 'installation'>): Promise<void> {
  await waitFor(() => {
    const [set] = installation.query<{ state: string; reason: string }>(
      'select state, reason from sets where id = ?',
      setId,
    );
    assert.ok(set?.state !== 'failed', set?.reason);
    return set?.state === 'completed';
  }, 'the set to complete');
}
