import { damagedTapes, setsWithOneCopyLeft } from '../../catalog/notices/bad-copies.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { listTapes } from '../../catalog/tapes/tapes.js';
import { formatCount } from '../../config/counts.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';
import type { Fact } from './message.js';

/** A tape that was last seen longer ago, in milliseconds, did not become full just now. */
const newsMs = 86_400_000;

/** Tapes that take no more: full ones, of which a person needs another, and suspect ones. */
export async function tapeFacts(db: Catalog, now: number): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (const { uuid, name, pool, state, reason, seen_at: seen } of await listTapes(db)) {
    const about = { subject: t`Tape ${name}` };
    if (state === 'full' && seen > now - newsMs)
      facts.push({
        ...{ ...about, event: 'tape_full', key: `full ${uuid}` },
        what: t`Tape ${name} of pool ${pool} is full.`,
        todo: t`Put it away safely, and have another tape for pool ${pool} ready.
          A new one is labelled in the drive.`,
        command: `tapeflow tape label NAME --pool ${pool}`,
      });
    if (state === 'suspect')
      facts.push({
        ...{ ...about, event: 'tape_suspect', key: `suspect ${uuid}` },
        what: t`Tape ${name} of pool ${pool} is not trusted any more: ${reason ?? english`a write on it failed`}.`,
        todo: t`Nothing is written to it until you say so. Clean the drive, then read the tape back.
          If all is good, \`tapeflow tape trust ${name}\`; else write again what is damaged.`,
        command: `tapeflow verify ${name}`,
      });
  }
  return facts;
}

/** Tapes with archives that are known to be damaged. */
export async function damageFacts(db: Catalog): Promise<Fact[]> {
  return (await damagedTapes(db)).map(({ uuid, name, archives, alone, damage }) => {
    const others =
      alone === 0
        ? t`Another copy of each is good.`
        : alone === archives
          ? t`No other good copy exists of any of them.`
          : t`No other good copy exists of ${alone}.`;
    return {
      ...{ event: 'damage', key: `damage ${uuid}`, mark: `${archives} ${alone}`, subject: t`tape ${name}` },
      what: t`${formatCount(archives, 'archive')} on tape ${name}
        ${archives === 1 ? 'is' : 'are'} damaged (${damage}). ${others}`,
      todo:
        alone === 0
          ? t`Write what is damaged again from the other copy.`
          : t`Back up again what still exists; \`tapeflow restore SET --salvage\` brings back what can be read.`,
      command: alone < archives ? `tapeflow verify ${name} --repair` : 'tapeflow tape list',
    };
  });
}

/** Sets of which a part exists once only, though it had several copies. */
export async function singleCopyFacts(db: Catalog): Promise<Fact[]> {
  return (await setsWithOneCopyLeft(db)).map(({ setId, archives }) => ({
    ...{ event: 'single_copy', key: `single ${setId}`, mark: String(archives), subject: t`Set ${setId}` },
    what: t`${formatCount(archives, 'archive')} of set ${setId} had several copies, and one good copy is left.`,
    todo: t`Write the missing copy again from that one.`,
    command: `tapeflow verify ${setId} --repair`,
  }));
}
