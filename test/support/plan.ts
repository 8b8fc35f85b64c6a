import { splitTime } from '../../archive/file-time.js';
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
      size: Number(stats.size),
      mtimeS: splitTime(stats.mtimeNs).seconds,
      mtimeNs: splitTime(stats.mtimeNs).ns,
      mode: Number(stats.mode),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      dev: String(stats.dev),
      ino: String(stats.ino),
      nlink: Number(stats.nlink),
    });
  }
  return planned;
}
