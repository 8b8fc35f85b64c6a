import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { loadAddon } from '../../native/addon.js';
import { mountPoint, noise, tempFolder, writeTree } from './trees.js';

/** A folder that takes attributes of every kind, or why there is none: the test is skipped then. */
export function folderWithAttributes(t: TestContext): { folder: string } | { skip: string } {
  if (loadAddon()?.readXattrs === undefined) return { skip: 'needs the native part, on Linux' };
  if (process.getuid?.() !== 0) return { skip: 'needs root, for trusted attributes and owners' };
  for (const program of ['setfattr', 'setfacl'])
    if (spawnSync(program, ['--version']).status !== 0) return { skip: `needs ${program}` };
  const folder = tempFolder(t);
  const probe = path.join(folder, 'probe');
  writeFileSync(probe, '');
  const isTaken =
    spawnSync('setfattr', ['-n', 'user.probe', '-v', 'x', probe]).status === 0 &&
    spawnSync('setfacl', ['-m', 'u:1:r', probe]).status === 0;
  return isTaken
    ? { folder: tempFolder(t) }
    : { skip: 'the file system of the temporary folder has no attributes' };
}

/** A new file system without attributes and ACLs, or undefined where none can be mounted. */
export function folderWithoutAttributes(t: TestContext): string | undefined {
  const folder = mountPoint(t);
  return spawnSync('mount', ['-t', 'ramfs', 'ramfs', folder]).status === 0 ? folder : undefined;
}

/** The version 2 of `vfs_cap_data` (linux/capability.h): `cap_net_raw`, permitted and effective. */
const capability = '0x0100000200200000000000000000000000000000';

/** A tree with extended attributes of every kind, ACLs, capabilities and labels, on files, folders and links. */
export function writeAttributedTree(root: string): void {
  const at = (name: string) => path.join(root, name);
  const set = (name: string, attribute: string, value: string) =>
    execFileSync('setfattr', ['-h', '-n', attribute, '-v', value, at(name)]);
  const acl = (name: string, ...entries: string[]) => execFileSync('setfacl', [...entries, at(name)]);
  writeTree(root, {
    'plain/none': 'nothing special',
    'acl/file': 'read by some',
    'acl/denied': 'not by everybody',
    'acl/shared/inner': 'made before the default ACL',
    'caps/program': '#!/bin/sh\n',
    'odd/values': 'odd values',
    'odd/read-only': 'may not be written',
    ['long'.repeat(40)]: 'a long name',
  });
  chmodSync(at('acl/file'), 0o640);
  acl('acl/file', '-m', 'u:1234:rwx,g:2345:r-x');
  chmodSync(at('acl/denied'), 0o664);
  acl('acl/denied', '-m', 'u:1234:---,g:2345:r--');
  acl('acl/shared', '-m', 'u:1234:rwx', '-d', '-m', 'u:1234:rwx,g:2345:r-x');
  chownSync(at('caps/program'), 1000, 1000);
  chmodSync(at('caps/program'), 0o755);
  set('caps/program', 'security.capability', capability);
  // A value with every byte, one of the most bytes that ext4 takes beside the others, and an empty one.
  set(
    'odd/values',
    'user.bytes',
    `0x${Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex')}`,
  );
  set('odd/values', 'user.large', `0x${noise(1500, 'large').toString('hex')}`);
  set('odd/values', 'user.empty', '');
  set('odd/values', 'user.ünïcode', 'é');
  set('odd/values', 'user.a=b', 'equals');
  set('odd/values', 'trusted.own', 'of root');
  set('odd/read-only', 'user.kept', 'also here');
  chmodSync(at('odd/read-only'), 0o444);
  set('odd', 'user.folder', 'of a folder');
  set('l'.concat('ong'.repeat(1), 'long'.repeat(39)), 'user.long', 'of a long name');
  symlinkSync('values', at('odd/link'));
  set('odd/link', 'trusted.link', 'of the link itself');
  set('odd/link', 'security.selinux', 'system_u:object_r:user_home_t:s0');
  linkSync(at('odd/values'), at('odd/values-again'));
  writeFileSync(Buffer.from(`${at('odd')}/latin\xe9`, 'latin1'), 'x');
  execFileSync('sh', ['-c', `setfattr -n user.raw -v raw "$1"/latin*`, 'sh', at('odd')]);
}

/** Every attribute and ACL below a folder, as `getfattr` and `getfacl` write them. */
export function describeAttributes(root: string): string {
  const options = {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C' },
  } as const;
  const xattrs = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], options);
  const acls = execFileSync('getfacl', ['-R', '-P', '-n', '.'], options);
  // Entries come in the order of the disk.
  return [xattrs, acls].map((text) => text.trim().split('\n\n').sort().join('\n\n')).join('\n\n\n');
}
