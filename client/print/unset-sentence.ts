import { formatCount } from '../../config/counts.js';
import { metadataKinds, type MetadataKind, type UnsetCounts } from '../../entry/metadata-kind.js';
import { t } from '../../messages/shown.js';

const words: Record<MetadataKind, (entries: string) => string> = {
  owner: (entries) => t`the owner of ${entries}`,
  mode: (entries) => t`the mode of ${entries}`,
  times: (entries) => t`the times of ${entries}`,
  attributes: (entries) => t`the extended attributes of ${entries}`,
  acl: (entries) => t`the ACL of ${entries}`,
  capability: (entries) => t`the capabilities of ${entries}`,
  link: (entries) => t`the hard link of ${entries}`,
};

/**
 * What restored entries lack besides their content, in one sentence with what to do; undefined when they lack nothing.
 */
export function unsetSentence(unset: UnsetCounts): string | undefined {
  const parts = metadataKinds.flatMap((kind) => {
    const count = unset[kind] ?? 0;
    return count === 0 ? [] : [words[kind](formatCount(count, 'entry', 'entries'))];
  });
  const last = parts.pop();
  if (last === undefined) return undefined;
  const all = parts.length === 0 ? last : `${parts.join(t`, `)}${t` and `}${last}`;
  return t`Not as backed up: ${all}; a restore with \`--overwrite always\`, by root where owners are concerned,
    puts right what the target allows, without writing the content again.`;
}
