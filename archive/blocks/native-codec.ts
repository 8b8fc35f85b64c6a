import { gunzipSync } from 'node:zlib';
import { loadAddon, addonMissingReason, type Addon } from '../../native/addon.js';
import type { ArchiveFormat, CodecChoice } from '../../entry/archive-format.js';
import { english } from '../../messages/sentence.js';

/** gzip by libdeflate, from the native part. */
export type Libdeflate = Pick<Addon, 'MOST_BYTES' | 'outputBytes' | 'gzip' | 'gunzip'>;

let loaded: Promise<Libdeflate | undefined> | undefined;

/** libdeflate, if it was built and works here; loaded and tested once per thread. */
export function openLibdeflate(): Promise<Libdeflate | undefined> {
  return (loaded ??= load());
}

async function load(): Promise<Libdeflate | undefined> {
  const addon = loadAddon();
  try {
    return addon !== undefined && (await works(addon)) ? addon : undefined;
  } catch {
    return undefined;
  }
}

/** A sentence on what the missing native part costs; undefined when it is there or not wanted. */
export async function missingNativeNote(
  format: ArchiveFormat,
  choice: CodecChoice,
): Promise<string | undefined> {
  if (choice === 'zlib' || (await openLibdeflate()) !== undefined) return undefined;
  return english`The native part is missing (${addonMissingReason()}): ${lossWithoutNative(format)}.`;
}

/** The same as a part of a sentence. Node's own zstd, where there is one, is the same library. */
export function lossWithoutNative(format: ArchiveFormat): string {
  const times = english`restored times are exact to a microsecond only`;
  return format === 'gzip' ? english`gzip takes about twice the processor time, and ${times}` : times;
}

/** A compressible text for testing a codec. */
export function trialText(): Buffer {
  return Buffer.from(Array.from({ length: 2000 }, (_, i) => `${i} tapes, ${i % 7} drives\n`).join(''));
}

/** Tests a round trip. */
async function works(addon: Libdeflate): Promise<boolean> {
  const text = trialText();
  const output = Buffer.allocUnsafeSlow(addon.outputBytes(text.length));
  const bytes = await addon.gzip(text, output, 6);
  const member = output.subarray(0, bytes);
  const back = Buffer.allocUnsafeSlow(text.length);
  return (
    gunzipSync(member).equals(text) && (await addon.gunzip(member, back)) === text.length && back.equals(text)
  );
}
