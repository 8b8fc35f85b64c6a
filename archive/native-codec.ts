import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** libdeflate as the addon of `archive/native/` gives it. */
export interface Libdeflate {
  /** Bytes of the largest input. */
  mostBytes: number;
  /** Bytes that the output must have room for. */
  outputBytes(inputBytes: number): number;
  /**
   * Makes one gzip member on libuv's pool, at a level of libdeflate's, 0 to 12; resolves to its bytes in `output`. Neither
   * array may be touched until it settles. Throws a `RangeError` for a wrong level or size; rejects with `ENOMEM`.
   */
  gzip(input: Uint8Array, output: Uint8Array, level: number): Promise<number>;
}

/** Where scripts/build-native.mjs puts the addon, and what it notes of its attempt. */
const built = new URL('../../node_modules/.tapeflow/', import.meta.url);
let loaded: Promise<Libdeflate | undefined> | undefined;

/** libdeflate, if it was built and works here; loaded and tried once per thread. */
export function openLibdeflate(): Promise<Libdeflate | undefined> {
  return (loaded ??= load());
}

/** Why there is none, as the end of a sentence. */
export function whyNoLibdeflate(): string {
  try {
    const { reason } = JSON.parse(readFileSync(new URL('libdeflate.json', built), 'utf8')) as {
      reason: string | null;
    };
    return reason ?? 'it was built, but does not load or does not work';
  } catch {
    return 'it was not built';
  }
}

async function load(): Promise<Libdeflate | undefined> {
  try {
    const require = createRequire(import.meta.url);
    const addon = require(fileURLToPath(new URL('libdeflate.node', built))) as Libdeflate;
    return (await works(addon)) ? addon : undefined;
  } catch {
    return undefined;
  }
}

/** A text that has matches, through the encoder and back. */
async function works(addon: Libdeflate): Promise<boolean> {
  const text = Buffer.from(Array.from({ length: 2000 }, (_, i) => `${i} tapes, ${i % 7} drives\n`).join(''));
  const output = Buffer.allocUnsafeSlow(addon.outputBytes(text.length));
  const bytes = await addon.gzip(text, output, 6);
  return gunzipSync(output.subarray(0, bytes)).equals(text);
}
