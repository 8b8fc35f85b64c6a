import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs';
import type { BlockWriter } from '../blocks/block-writer.js';
import { atPath } from '../../disk/long-path.js';
import { deviceNumbers, deviceText } from '../../entry/device.js';
import type { PackedMember, PlannedMember } from '../../entry/member.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { attributesAt } from './read-attributes.js';
import { attributesOf, changedTypeReason, onFile, requireNoLinkAbove } from './source-file.js';
import { storedMember } from './stored-member.js';

/** A planned entry without content. */
type PlainType = Exclude<PlannedMember['type'], 'file'>;

const isStill: Record<PlainType, (stats: BigIntStats) => boolean> = {
  directory: (stats) => stats.isDirectory(),
  symlink: (stats) => stats.isSymbolicLink(),
  fifo: (stats) => stats.isFIFO(),
  character: (stats) => stats.isCharacterDevice(),
  block: (stats) => stats.isBlockDevice(),
};

/**
 * Writes a folder, a symbolic link, a named pipe or a device, which is all in its header. Returns the member as stored,
 * or the reason why it was skipped; also throws `SkipEntry`.
 */
export async function addPlainMember(
  tar: BlockWriter,
  entry: PlannedMember,
  type: PlainType,
  path: Buffer,
): Promise<PackedMember | string> {
  const stats = onFile(() => atPath(path, (short) => lstatSync(short, { bigint: true })));
  if (!isStill[type](stats)) return changedTypeReason(stats);
  const facts = attributesOf(stats);
  requireNoLinkAbove(entry, path, facts);
  const linkTarget =
    type === 'symlink' ? onFile(() => atPath(path, (short) => readlinkSync(short, 'latin1'))) : null;
  const device = type === 'character' || type === 'block' ? deviceNumbers(stats.rdev) : undefined;
  const found = atPath(path, attributesAt);
  const member = storedMember(entry, facts, found, { type, linkTarget, device }, tar.position);
  const isSame = linkTarget === entry.linkTarget && deviceKey(device) === deviceKey(entry.device);
  if (!isSame) member.flags.push('newer');
  await tar.write(encodeHeaders({ ...member, size: 0 }));
  return member;
}

const deviceKey = (device: PackedMember['device']) => (device === undefined ? '' : deviceText(device));
