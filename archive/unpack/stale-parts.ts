import { readdirSync, rmSync } from 'node:fs';

/** The restore that incomplete entries of a target belong to, and its current attempt. */
export interface RestoreJob {
  name: string;
  token: string;
}

/** The name of an incomplete entry; short, since the final name may have the maximum length. */
export function partName({ name, token }: RestoreJob, what: number | string): string {
  return `${prefixOf(name)}${token}-${what}.part`;
}

/**
 * Removes from a folder what earlier attempts of a restore left there.
 *
 * @param child the path of an entry, by its name as a byte string.
 */
export function removeStaleParts(
  folder: Buffer,
  { name, token }: RestoreJob,
  child: (entry: string) => Buffer,
): void {
  const own = `${prefixOf(name)}${token}-`;
  for (const entry of readdirSync(folder, 'latin1')) {
    if (!entry.startsWith(prefixOf(name)) || entry.startsWith(own) || !entry.endsWith('.part')) continue;
    rmSync(child(entry), { recursive: true, force: true });
  }
}

function prefixOf(job: string): string {
  return `.tapeflow-${job}-`;
}
