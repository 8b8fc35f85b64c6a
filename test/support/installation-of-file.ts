import { after } from 'node:test';
import { Installation } from './installation.js';

/**
 * One installation for several tests of a file, from the first that asks for it to the last test. Server and workers,
 * which take longer to start than most of what a test asks of them, run from its first `--detach` on.
 */
export function installationOfFile(env: Record<string, string> = {}): () => Promise<Installation> {
  const ends: (() => unknown)[] = [];
  let made: Promise<Installation> | undefined;
  after(async () => {
    for (const end of ends) await end();
  });
  return () => (made ??= Installation.make({ after: (end) => void ends.push(end as () => unknown) }, env));
}
