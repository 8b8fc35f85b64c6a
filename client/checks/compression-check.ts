import { lossWithoutNative, openLibdeflate } from '../../archive/blocks/native-codec.js';
import { requireZstd } from '../../archive/blocks/zstd.js';
import { describeError } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { addonMissingReason, missingAttributesReason } from '../../native/addon.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

const what = english`compression`;
const build = '`node scripts/build-native.mjs`';

/** Whose code compresses, and what it costs that the native part is missing. Archives are alike with either. */
export async function checkCompression(settings: Settings): Promise<Check> {
  const { COMPRESSION: format, COMPRESSION_CODEC: choice } = settings;
  const isMissing = choice === 'auto' && (await openLibdeflate()) === undefined;
  let serves: string;
  if (format === 'none') serves = english`none, as COMPRESSION asks`;
  else if (format === 'gzip' && choice === 'zlib') serves = english`Node's zlib, as COMPRESSION_CODEC asks`;
  else if (format === 'gzip') serves = isMissing ? english`Node's zlib` : 'libdeflate';
  else {
    try {
      serves = (await requireZstd(choice)).name;
    } catch (error) {
      return {
        what,
        level: 'trouble',
        finding:
          choice === 'auto' ? `${describeError(error)} (${addonMissingReason()})` : describeError(error),
        advice: english`Set COMPRESSION=gzip, or have Rust’s cargo on the PATH and run ${build}.`,
      };
    }
  }
  const losses = isMissing ? [lossWithoutNative(format)] : [];
  if (missingAttributesReason() !== undefined)
    losses.push(english`extended attributes, ACLs and capabilities are neither backed up nor restored`);
  const [loss, other] = losses;
  if (loss === undefined) return { what, level: 'ok', finding: serves };
  const why = addonMissingReason();
  return {
    what,
    level: 'note',
    finding:
      other === undefined
        ? english`${serves}; the native part is missing (${why}): ${loss}`
        : english`${serves}; the native part is missing (${why}): ${loss}; ${other}`,
    advice: english`With Rust’s cargo on the PATH, ${build} builds it.`,
  };
}
