import { lstatSync, readlinkSync } from 'node:fs';
import type { BlockWriter } from '../blocks/block-writer.js';
import type { PackedMember, PlannedMember } from '../../entry/member.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { attributesOf, changedTypeReason, onFile, requireNoLinkAbove } from './source-file.js';
import { storedMember } from './stored-member.js';

/**
 * Writes a folder or a symbolic link, which is all in its header. Returns the member as stored, or the reason why it
 * was skipped; also throws `SkipEntry`.
 */
export async function addPlainMember(
  tar: BlockWriter,
  entry: PlannedMember,
  path: Buffer,
): Promise<PackedMember | string> {
  const stats = onFile(() => lstatSync(path, { bigint: true }));
  if (entry.type === 'directory' ? !stats.isDirectory() : !stats.isSymbolicLink())
    return changedTypeReason(stats);
  const facts = attributesOf(stats);
  requireNoLinkAbove(entry, path, facts);
  const linkTarget = entry.type === 'symlink' ? onFile(() => readlinkSync(path, 'latin1')) : null;
  const type = entry.type === 'symlink' ? 'symlink' : 'directory';
  const member = storedMember(entry, facts, { type, linkTarget }, tar.position);
  if (linkTarget !== entry.linkTarget) member.flags = ['newer'];
  await tar.write(encodeHeaders({ ...member, size: 0 }));
  return member;
}
