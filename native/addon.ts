import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What the crate in this folder gives to JavaScript; its sources in `src/` say more of each. */
export interface Addon {
  /** Bytes of the largest input of `gzip`. */
  MOST_BYTES: number;
  /** Bytes that the output of `gzip` must have room for. */
  outputBytes(inputBytes: number): number;
  /**
   * Makes one gzip member on libuv's pool, at a level of libdeflate's, 0 to 12; resolves to its bytes in `output`.
   * Neither array may be touched until it settles. Throws for a wrong level or size.
   */
  gzip(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
  /**
   * Takes an input apart that is one gzip member and nothing else, of at most twice `MOST_BYTES`, and checks its
   * checksum; resolves to its bytes in `output`, which may be just as large as they are. Rejects when it is damaged or
   * larger.
   */
  gunzip(input: Uint8Array, output: Uint8Array): Promise<number>;
  /**
   * One zstd frame with its content's size and checksum, at a level of 1 to 19; resolves to its bytes in `output`,
   * which must have room for 1/128 more than the input and 1 KiB. Neither array may be touched until it settles.
   */
  zstdCompress(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
  /** Takes one frame apart and checks it; resolves to its bytes in `output`. Rejects when it is damaged or larger. */
  zstdDecompress(input: Uint8Array, output: Uint8Array): Promise<number>;
  ZstdStream: new () => ZstdStream;
  /**
   * Sets access and modification time of an open file, or, where `fd` is -1, of what has the path: itself, and not what
   * a link leads to. False when the system refuses. Not on Windows.
   */
  setTimes?: (fd: number, path: Uint8Array, seconds: number, nanoseconds: number) => boolean;
  /**
   * Locks an open file or folder until it is closed: 0 when this open file has the lock now, 1 when another one has it,
   * -1 when there is no such lock here. Not on Windows.
   */
  lockOpenFile?: (fd: number) => number;
}

/** Reads zstd frames, one after the other, in the thread that calls. */
export interface ZstdStream {
  /** Bytes of the input that it has read, and of the output that it has filled. Throws when a frame is damaged. */
  read(input: Uint8Array, output: Uint8Array): [taken: number, given: number];
  /** True between two frames. */
  readonly ended: boolean;
}

/** Where scripts/build-native.mjs puts the addon, and what it notes of its attempt. */
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

/** Why there is none, as the end of a sentence. */
export function whyNoAddon(): string {
  try {
    const { reason } = JSON.parse(readFileSync(new URL('native.json', built), 'utf8')) as {
      reason: string | null;
    };
    return reason ?? 'it was built, but does not load or does not work';
  } catch {
    return 'it was not built';
  }
}
