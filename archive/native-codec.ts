import { gunzipSync } from 'node:zlib';
import { loadAddon, trialText } from './native-addon.js';

/** libdeflate as the addon of `archive/native/` gives it. */
export interface Libdeflate {
  /** Bytes of the largest input. */
  mostBytes: number;
  /** Bytes that the output must have room for. */
  outputBytes(inputBytes: number): number;
  /**
   * Makes one gzip member on libuv's pool, at a level of libdeflate's, 0 to 12, or one of `tunedLevels`; resolves to its
   * bytes in `output`. Neither array may be touched until it settles. Throws a `RangeError` for a wrong level or size; rejects with `ENOMEM`.
   */
  gzip(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
  /**
   * Takes an input apart that is one gzip member and nothing else, of at most twice `mostBytes`, and checks its checksum;
   * resolves to its bytes in `output`, which may be just as large as they are. Rejects with `EBADMSG` or `ENOMEM`.
   */
  gunzip(input: Uint8Array, output: Uint8Array, level: 0): Promise<number>;
}

/** Levels between libdeflate's own, for kinds of content (archive/native/deflate-tuning.h). */
export const tunedLevels = { code: 13, programs: 14 };

let loaded: Promise<Libdeflate | undefined> | undefined;

/** libdeflate, if it was built and works here; loaded and tried once per thread. */
export function openLibdeflate(): Promise<Libdeflate | undefined> {
  return (loaded ??= load());
}

async function load(): Promise<Libdeflate | undefined> {
  const addon = loadAddon() as Libdeflate | undefined;
  try {
    return addon !== undefined && (await works(addon)) ? addon : undefined;
  } catch {
    return undefined;
  }
}

/** A text through the encoder and back. */
async function works(addon: Libdeflate): Promise<boolean> {
  const text = trialText();
  const output = Buffer.allocUnsafeSlow(addon.outputBytes(text.length));
  const bytes = await addon.gzip(text, output, 6);
  const member = output.subarray(0, bytes);
  const back = Buffer.allocUnsafeSlow(text.length);
  return (
    gunzipSync(member).equals(text) &&
    (await addon.gunzip(member, back, 0)) === text.length &&
    back.equals(text)
  );
}
