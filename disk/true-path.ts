import { readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';

/** Maximum length of a chain of links; more must be a loop. */
const maxLinks = 40;

/**
 * Resolves links in a path; parts that do not exist yet are kept as written. Only asks whether the path is a link and
 * never calls `stat` on the folder itself: a mounted tape may hang, and the call could not be abandoned.
 */
export function truePath(folder: string, links = 0): string {
  const absolute = path.resolve(folder);
  const parent = path.dirname(absolute);
  if (parent === absolute) return absolute;
  let above: string;
  try {
    above = realpathSync(parent);
  } catch {
    above = truePath(parent, links);
  }
  const here = path.join(above, path.basename(absolute));
  let leadsTo: string;
  try {
    leadsTo = readlinkSync(here);
  } catch {
    // It is no link, or nothing.
    return here;
  }
  return links < maxLinks ? truePath(path.resolve(above, leadsTo), links + 1) : here;
}
