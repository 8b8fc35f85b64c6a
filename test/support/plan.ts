import { deviceOfText } from '../../entry/device.js';
import type { PlannedMember } from '../../entry/member.js';
import { walk } from '../../source/walk.js';

/** What the scan would plan for a folder, one after the other. */
export function* plannedBelow(root: string): Generator<PlannedMember> {
  const options = { sources: [root], excludes: [], ownFolders: [], after: undefined };
  for (const { name, type, stats, linkTarget } of walk({ ...options, onLeftOut: () => undefined })) {
    if (type === 'other' || stats === undefined) continue;
    yield {
      ...{ name, type, hardLinkOf: null },
      linkTarget: type === 'symlink' ? linkTarget : null,
      device: type === 'symlink' || linkTarget === null ? undefined : deviceOfText(linkTarget),
      size: stats.size,
      mtimeS: stats.mtimeS,
      mtimeNs: stats.mtimeNs,
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      dev: String(stats.dev),
      ino: String(stats.ino),
      nlink: stats.nlink,
      ctime: [stats.ctimeS, stats.ctimeNs],
      ...(stats.stored === undefined ? {} : { storedSize: stats.stored }),
    };
  }
}

/** The same as a list. */
export function plan(root: string): PlannedMember[] {
  return [...plannedBelow(root)];
}
