import { setsOnTape } from '../../catalog/copies/tape-copies.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { subjectOf } from '../../catalog/retrievals/retrieval-subject.js';
import { isRebuilt } from '../../catalog/rebuilt/rebuilt-sets.js';
import { markedEnd, tapesWithEndMark, unmarkedCopies } from '../../catalog/sets/set-end.js';
import { findSet } from '../../catalog/sets/sets.js';
import type { SetRow } from '../../catalog/rows.js';
import { english } from '../../messages/sentence.js';

/**
 * Sentences of a verify about missing end marks: which copy, what that means and what helps. A missing mark is no
 * damage. Unfinished sets are ignored.
 */
export async function missingMarks(catalog: Catalog, subject: string): Promise<string[]> {
  const what = await subjectOf(catalog, subject);
  const setIds = 'setId' in what ? [what.setId] : await setsOnTape(catalog, what.tape);
  const sentences: string[] = [];
  for (const setId of setIds) {
    const set = await findSet(catalog, setId);
    if (set !== undefined)
      sentences.push(...(await ofSet(catalog, set, 'tape' in what ? what.tape : undefined)));
  }
  return sentences;
}

async function ofSet(catalog: Catalog, set: SetRow, tape: string | undefined): Promise<string[]> {
  const { id } = set;
  if (isRebuilt(set)) {
    if (set.end_marked === 0 || markedEnd(set) !== undefined) return [];
    return [
      english`No tape that was read tells that the set ${id} had ended: its end mark is missing. That is no
        damage, but what is there may not be all of it: \`tapeflow tape catalog\` reads its other tapes.`,
    ];
  }
  const copies = (await unmarkedCopies(catalog, id)).filter(
    (copy) => tape === undefined || copy.tape === tape,
  );
  if (copies.length === 0) return [];
  const telling = await tapesWithEndMark(catalog, set);
  const tell = telling.length === 1 ? 'tells' : 'tell';
  const help =
    telling.length > 0
      ? english`${telling.join(', ')} ${tell} it: read that tape too then.`
      : english`\`tapeflow tape copy ${id} --pool POOL\` makes a copy that tells it, and
          \`tapeflow catalog backup FILE\` keeps a copy of the catalog.`;
  return copies.map(
    ({ tapeName }) =>
      english`Tape ${tapeName} does not tell that the set ${id} has ended: its end mark is missing. That is no
        damage, and all files are there; but a catalog rebuilt from this tape cannot know that the set is
        whole. ${help}`,
  );
}
