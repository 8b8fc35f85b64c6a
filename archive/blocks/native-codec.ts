import { gunzipSync } from 'node:zlib';
import { loadAddon, whyNoAddon, type Addon } from '../../native/addon.js';
import type { CodecChoice } from '../../entry/archive-format.js';

/** gzip by libdeflate, in the native part. */
export type Libdeflate = Pick<Addon, 'MOST_BYTES' | 'outputBytes' | 'gzip' | 'gunzip'>;

let loaded: Promise<Libdeflate | undefined> | undefined;

/** libdeflate, if it was built and works here; loaded and tried once per thread. */
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

/** What it costs that the native part is not there, as a sentence; undefined where it is, or is not wanted. */
export async function costWithoutNative(choice: CodecChoice): Promise<string | undefined> {
  if (choice === 'zlib' || (await openLibdeflate()) !== undefined) return undefined;
  return `The native part is missing (${whyNoAddon()}): gzip takes about twice the processor time, and restored times are exact to a microsecond only.`;
}

/** A text that has matches, for the trial of a codec. */
export function trialText(): Buffer {
  return Buffer.from(Array.from({ length: 2000 }, (_, i) => `${i} tapes, ${i % 7} drives\n`).join(''));
}

/** A text through the encoder and back. */
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
