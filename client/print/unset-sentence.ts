import { formatCount } from '../../config/counts.js';
import { metadataKinds, type MetadataKind, type UnsetCounts } from '../../entry/metadata-kind.js';

const words: Record<MetadataKind, string> = {
  owner: 'owner',
  mode: 'mode',
  times: 'times',
  attributes: 'extended attributes',
  acl: 'ACL',
  capability: 'capabilities',
  link: 'hard link',
};

/**
 * What restored entries lack besides their content, in one sentence with what to do; undefined when they lack nothing.
 */
export function unsetSentence(unset: UnsetCounts): string | undefined {
  const parts = metadataKinds.flatMap((kind) => {
    const count = unset[kind] ?? 0;
    return count === 0 ? [] : [`the ${words[kind]} of ${formatCount(count, 'entry', 'entries')}`];
  });
  const last = parts.pop();
  if (last === undefined) return undefined;
  const all = parts.length === 0 ? last : `${parts.join(', ')} and ${last}`;
  const advice =
    'a restore with `--overwrite always`, by root where owners are concerned, puts right what the target allows, ' +
    'without writing the content again';
  return `Not as backed up: ${all}; ${advice}.`;
}
