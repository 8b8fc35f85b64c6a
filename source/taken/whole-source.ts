import { readdirSync } from 'node:fs';
import { usageFailure } from '../../config/failures.js';
import { fromText, toBytes } from '../../entry/byte-string.js';
import { Excludes, givenText, type ExcludeRule } from '../../entry/excludes.js';
import { memberNameOf } from '../../entry/member-name.js';
import type { TakenOptions } from '../../entry/tally.js';
import { english } from '../../messages/sentence.js';
import { markFinder } from './folder-marks.js';

/** Names that only a pattern for every name matches. */
const anyNames = ['tapeflow-any-name', '.0~ any'];

/**
 * Throws a usage failure when an exclude takes a whole source, whatever is in it, or a mark says to take nothing of it:
 * such a set would complete with nothing in it.
 */
export function requireNotWhole(
  source: string,
  isFolder: boolean,
  rules: readonly ExcludeRule[],
  options: TakenOptions,
): void {
  const rule = takenWholeBy(memberNameOf(fromText(source), process.platform), isFolder, rules);
  if (rule !== undefined)
    throw usageFailure(
      'AllExcluded',
      english`The exclude ${givenText(rule)} takes the whole source ${source}.`,
      english`Nothing was started; leave the one or the other out.`,
    );
  const mark = isFolder ? markIn(source, options) : undefined;
  if (mark === undefined) return;
  const option = mark.by === 'cache' ? '--exclude-caches' : `--exclude-if-present ${mark.name}`;
  throw usageFailure(
    'AllExcluded',
    english`The source ${source} holds ${mark.name}, so that ${option} leaves all of it out.`,
    english`Nothing was started; leave the one or the other out.`,
  );
}

function takenWholeBy(
  name: string,
  isFolder: boolean,
  rules: readonly ExcludeRule[],
): ExcludeRule | undefined {
  if (rules.length === 0) return undefined;
  const excludes = new Excludes(rules);
  const depth = name === '' ? 0 : name.split('/').length;
  const folder = `${name}/`;
  const taker = (entry: string) => {
    const rule = excludes.decides(entry, depth);
    if (rule === undefined || excludes.keeps(rule)) return undefined;
    return isFolder && excludes.mayKeepIn(folder, rule) ? undefined : rule;
  };
  const itself = name === '' ? undefined : taker(isFolder ? folder : name);
  if (itself !== undefined) return rules[itself];
  if (!isFolder) return undefined;
  const [inside, other] = anyNames.map((any) => taker(`${name === '' ? '' : folder}${any}`));
  return inside === undefined || other === undefined ? undefined : rules[inside];
}

function markIn(source: string, options: TakenOptions) {
  const markOf = markFinder(options);
  if (markOf === undefined) return undefined;
  try {
    return markOf(toBytes(fromText(`${source.replace(/\/$/, '')}/`)), readdirSync(source, 'latin1'));
  } catch {
    // The scan says of a source that cannot be listed what is wrong with it.
    return undefined;
  }
}
