import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { english } from '../messages/sentence.js';

/** What the crate in this folder exports to JavaScript; see its sources in `src/`. */
export interface Addon {
  /** Bytes of the largest input of `gzip`. */
  MOST_BYTES: number;
  /** Bytes of output that `gzip` needs room for. */
  outputBytes(inputBytes: number): number;
  /**
   * Makes one gzip member on libuv's pool, at a libdeflate level from 0 to 12; resolves to the number of bytes in
   * `output`. Neither array may be touched until it settles. Throws for a wrong level or size.
   */
  gzip(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
  /**
   * Decompresses an input that is exactly one gzip member, of at most twice `MOST_BYTES`, and verifies its checksum;
   * resolves to the number of bytes in `output`, which may be exactly that large. Rejects when the input is damaged or
   * the output does not fit.
   */
  gunzip(input: Uint8Array, output: Uint8Array): Promise<number>;
  /**
   * One zstd frame with its content's size and checksum, at a level from 1 to 19; resolves to the number of bytes in
   * `output`, which must have room for 1/128 more than the input and 1 KiB. Neither array may be touched until it
   * settles.
   */
  zstdCompress(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
  /**
   * Decompresses and verifies one frame; resolves to the number of bytes in `output`. Rejects when it is damaged or
   * does not fit.
   */
  zstdDecompress(input: Uint8Array, output: Uint8Array): Promise<number>;
  ZstdStream: new () => ZstdStream;
  /**
   * Sets access and modification time of an open file, or, where `fd` is -1, of the path itself, without following a
   * link. False when the system refuses. Not on Windows.
   */
  setTimes?: (fd: number, path: Uint8Array, seconds: number, nanoseconds: number) => boolean;
  /**
   * Makes a named pipe or a device at a path, for its owner alone. `kind`: `fifo`, `character` or `block`. Returns 0,
   * or the number of the system's error. Not on Windows and macOS.
   */
  makeNode?: (path: Uint8Array, kind: string, major: number, minor: number) => number;
  /**
   * Locks an open file or folder until it is closed: 0 when this open file now has the lock, 1 when another one has it,
   * -1 when the system has no such lock. Not on Windows.
   */
  lockOpenFile?: (fd: number) => number;
  /**
   * The names in a folder, with a slash behind each, without a new access time; null where it is no folder but a link
   * to one, or is of somebody else, or cannot be listed to its end. Linux only.
   */
  listFolder?: (path: Uint8Array) => Uint8Array | null;
  /**
   * What `lstat` says of entries of a folder, whose names have a slash behind each: twelve numbers for each, see
   * `native/src/look_into.rs`. All are 0 where it says nothing, or not in exact numbers. Null where the folder is none,
   * or a link to one. Linux only.
   */
  lookInto?: (folder: Uint8Array, names: Uint8Array) => Float64Array | null;
  /**
   * Begins and ends of the parts with data of an open file, from a byte on, at most `most` parts; fewer when nothing
   * but a hole follows. Null where the system does not tell. Linux, macOS and FreeBSD.
   */
  dataExtents?: (fd: number, from: number, most: number) => number[] | null;
  /**
   * Opens a file with flags of `open`, unless its path leads through a symbolic link or is one. Returns the open file,
   * or the negative number of the system's error. On Linux only, where systems before 5.6 and some sandboxes refuse it.
   */
  openUnlinked?: (path: Uint8Array, flags: number) => number;
  /**
   * Renames a file unless something has the new name. Returns 0, or the number of the system's error: `EEXIST` where
   * something has it, `EINVAL` where the file system cannot tell. Linux only.
   */
  renameNew?: (from: Uint8Array, to: Uint8Array) => number;
  /**
   * Reads small files of a folder, whose names have a slash behind each, to their places in `output`, as long as they
   * are as `fields` say; returns the SHA-256 of those in hex, one behind the other. See `native/src/read_files.rs`.
   * Linux only.
   */
  readFiles?: (folder: Uint8Array, names: Uint8Array, fields: Float64Array, output: Uint8Array) => string;
  /**
   * How many files, counted from the first, lie in a piece of an archive with the headers that packing makes and the
   * contents, by `fields`, names and hashes in hex, each one behind the other. See `native/src/check_files.rs`. Linux
   * only.
   */
  checkFiles?: (piece: Uint8Array, fields: Float64Array, names: Uint8Array, hashes: Uint8Array) => number;
  /**
   * Writes small files one after the other on libuv's pool, each under a temporary name first; resolves to how many are
   * done: at the first that is not, with all that `fields` say, all ends. See `native/src/write_files.rs`. No folder
   * may be closed, and no array touched, until it settles. Linux only.
   */
  writeFiles?: (
    fields: Float64Array,
    bytes: Uint8Array,
    owned: boolean,
    replacing: boolean,
  ) => Promise<number>;
  /**
   * All extended attributes of an open file, or, where `fd` is -1, of what is at the path, without following a link;
   * null when there are none. Left out is what a file system keeps for itself. On Linux only, as the next two.
   */
  readXattrs?: (fd: number, path: Uint8Array) => Xattr[] | null;
  /** Sets one, without following a link. Returns 0, or the number of the system's error. */
  setXattr?: (fd: number, path: Uint8Array, name: Uint8Array, value: Uint8Array) => number;
  /** Removes one, if it is there. Returns 0, or the number of the system's error. */
  removeXattr?: (fd: number, path: Uint8Array, name: Uint8Array) => number;
}

/** An extended attribute; one that cannot be read has the number of the system's error instead of a value. */
export interface Xattr {
  /** Empty when the names themselves cannot be read. */
  name: Uint8Array;
  value?: Uint8Array;
  error?: number;
}

/** Reads zstd frames, one after the other, in the thread that calls. */
export interface ZstdStream {
  /**
   * Returns how many bytes of the input were read and how many of the output were filled. Throws when a frame is
   * damaged.
   */
  read(input: Uint8Array, output: Uint8Array): [taken: number, given: number];
  /** True between two frames. */
  readonly ended: boolean;
}

/** Where scripts/build-native.mjs puts the addon, or its note of why it could not be built. */
const built = new URL('../../node_modules/.tapeflow/', import.meta.url);

let loaded: Addon | null | undefined;

/** The native part; undefined where it was not built, or cannot be loaded. */
export function loadAddon(): Addon | undefined {
  return (loaded ??= load()) ?? undefined;
}

function load(): Addon | null {
  try {
    const require = createRequire(import.meta.url);
    return require(fileURLToPath(new URL('native.node', built))) as Addon;
  } catch {
    return null;
  }
}

/**
 * Why extended attributes, ACLs and capabilities can be neither read nor set here, as the end of a sentence; undefined
 * where they can, and on other systems than Linux, which have others.
 */
export function missingAttributesReason(): string | undefined {
  if (process.platform !== 'linux' || loadAddon()?.readXattrs !== undefined) return undefined;
  return english`the native part is missing: ${addonMissingReason()}`;
}

/** Why the native part is missing, as the end of a sentence. */
export function addonMissingReason(): string {
  try {
    const { reason } = JSON.parse(readFileSync(new URL('native.json', built), 'utf8')) as {
      reason: string | null;
    };
    return reason ?? english`it was built, but does not load or work`;
  } catch {
    return english`it was not built`;
  }
}
