import type { PlannedMember } from '../../archive/member.js';
import { walk } from '../../source/walk.js';

/** What the scan would plan for a folder. */
export function plan(root: string): PlannedMember[] {
  const planned: PlannedMember[] = [];
  for (const entry of walk({
    sources: [root],
    excludes: [],
    ownFolders: [],
    after: undefined,
    onLeftOut: () => undefined,
  })) {
    const { name, type, stats, linkTarget } = entry;
    if (type === 'other' || stats === undefined) continue;
    planned.push({
      ...{ name, type, linkTarget, hardLinkOf: null },
      size: stats.size,
      mtimeS: stats.mtimeS,
      mtimeNs: stats.mtimeNs,
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      dev: String(stats.dev),
      ino: String(stats.ino),
      nlink: stats.nlink,
    });
  }
  return planned;
}
