import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Where scripts/build-native.mjs puts the addon, and what it notes of its attempt. */
const built = new URL('../../node_modules/.tapeflow/', import.meta.url);

/**
 * The functions of `archive/native/`; undefined where it was not built or cannot be loaded. Who takes a part of it declares
 * that part's types and tries it before use.
 */
export function loadAddon(): object | undefined {
  try {
    const require = createRequire(import.meta.url);
    return require(fileURLToPath(new URL('native.node', built))) as object;
  } catch {
    return undefined;
  }
}

/** A text that has matches, for the trial of a codec. */
export function trialText(): Buffer {
  return Buffer.from(Array.from({ length: 2000 }, (_, i) => `${i} tapes, ${i % 7} drives\n`).join(''));
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
