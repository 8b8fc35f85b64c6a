import { sourcePathOf } from '../../entry/member-name.js';
import { toBytes } from '../../entry/byte-string.js';
import type { PackedMember, PlannedMember } from '../../entry/member.js';
import { loadAddon } from '../../native/addon.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { paddedBytes } from '../tar/tar-records.js';
import type { FilePacking } from './file-packing.js';
import type { PackEntry } from './pack-options.js';
import { flagsToOpen } from './source-file.js';

/** Bytes of the largest file: what the calls for a larger one cost is little beside its content. */
const mostBytes = 64 * 1024;
/** Files of one call, at most. */
const mostFiles = 64;
/** Files that go the other way after one that had to; twice as many each time that the next one has to, too. */
const leastPause = 1;
const mostPause = 1024;
/** Numbers that describe a file; `native/src/read_files.rs` has the same order. */
const fieldsPerFile = 10;
/** Characters of a SHA-256 in hex. */
const hexChars = 64;

/**
 * Stores small files of one folder by one call of the native part, which reads them into the current block: those that
 * are exactly as the scan saw them, with nothing special about them. Any other is left to the way that all files can
 * go, which finds out what is the matter with it.
 */
export class SmallFiles {
  private readonly readFiles = loadAddon()?.readFiles;
  private readonly fields = new Float64Array(mostFiles * fieldsPerFile);
  /** Files that are still to go the other way, and how many it will be after the next one that has to. */
  private passing = 0;
  private pause = leastPause;

  constructor(private readonly packing: FilePacking) {
    // What is asked for without it goes without it.
    if (packing.codec === 'zlib') this.readFiles = undefined;
  }

  /** Stores files from a place on, as far as they go; returns their members, none where the first does not go. */
  async add(entries: readonly PackEntry[], from: number): Promise<PackedMember[]> {
    const { readFiles } = this;
    if (readFiles === undefined || !isSmall(entries[from])) return [];
    if (this.passing > 0) {
      this.passing -= 1;
      return [];
    }
    const { tar, progress } = this.packing;
    const room = await tar.room();
    const begins = tar.position;
    const { members, folder, names, end } = this.plan(entries, from, room, begins);
    if (members.length === 0) return [];
    const path = sourcePathOf(folder, process.platform);
    const fields = this.fields.subarray(0, members.length * fieldsPerFile);
    const hashes = readFiles(path, toBytes(names), fields, room);
    const done = hashes.length / hexChars;
    if (done === 0) {
      this.passing = this.pause;
      this.pause = Math.min(2 * this.pause, mostPause);
      return [];
    }
    this.pause = leastPause;
    const next = members[done];
    tar.advance(next === undefined ? end : next.offset - begins);
    members.length = done;
    members.forEach((member, at) => {
      member.sha256 = hashes.slice(at * hexChars, (at + 1) * hexChars);
      progress.bytesIn += member.size;
    });
    progress.bytesOut = tar.bytesOut;
    return members;
  }

  /** Puts the headers of files that may go into the block, where they would stand, as many as have room. */
  private plan(entries: readonly PackEntry[], from: number, room: Buffer, begins: number) {
    const members: PackedMember[] = [];
    const folder = folderOf(entries[from]?.name ?? '');
    let names = '';
    let end = 0;
    let field = 0;
    for (let at = from; members.length < mostFiles; at += 1) {
      const entry = entries[at];
      if (!isSmall(entry) || folderOf(entry.name) !== folder) break;
      const member = asPlanned(entry, begins + end);
      const headers = encodeHeaders(member);
      const content = end + headers.length;
      const after = content + paddedBytes(entry.size);
      if (after > room.length) break;
      headers.copy(room, end);
      member.contentOffset = begins + content;
      members.push(member);
      names += `${entry.name.slice(folder.length + 1)}/`;
      const { fields } = this;
      fields[field++] = flagsToOpen(entry.uid);
      fields[field++] = content;
      fields[field++] = entry.size;
      fields[field++] = entry.mtimeS;
      fields[field++] = entry.mtimeNs;
      fields[field++] = member.mode;
      fields[field++] = entry.uid;
      fields[field++] = entry.gid;
      fields[field++] = Number(entry.dev);
      fields[field++] = Number(entry.ino);
      end = after;
    }
    return { members, folder, names, end };
  }
}

/** True for a file that may go this way, by what the scan has seen. */
function isSmall(entry: PackEntry | undefined): entry is PlannedMember {
  return (
    entry !== undefined &&
    'type' in entry &&
    entry.type === 'file' &&
    entry.name.includes('/') &&
    entry.size <= mostBytes &&
    entry.nlink === 1 &&
    entry.held === undefined &&
    entry.storedSize === undefined &&
    entry.hardLinkOf === null &&
    entry.unlisted === undefined &&
    Number.isSafeInteger(Number(entry.ino)) &&
    Number.isSafeInteger(Number(entry.dev))
  );
}

/** The member name of the folder that a file lies in, without a slash at its end. */
function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}

/** The member of a file that is as it was planned. */
function asPlanned(entry: PlannedMember, offset: number): PackedMember {
  return {
    name: entry.name,
    type: 'file',
    size: entry.size,
    mtimeS: entry.mtimeS,
    mtimeNs: entry.mtimeNs,
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    dev: entry.dev,
    ino: entry.ino,
    nlink: 1,
    linkTarget: null,
    hardLinkOf: null,
    ctime: entry.ctime,
    sha256: null,
    offset,
    contentOffset: null,
    flags: [],
  };
}
