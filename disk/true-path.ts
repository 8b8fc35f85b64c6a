import { readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';

/** Links that lead to links: more are a circle. */
const mostLinks = 40;

/**
 * A path without links; what does not exist yet is taken as it is written. The folder itself is never looked at, only
 * whether it is a link: a mounted tape may not answer, and this call cannot be given up.
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
  return links < mostLinks ? truePath(path.resolve(above, leadsTo), links + 1) : here;
}
