import { formatNumber } from '../../config/counts.js';
import { displayName } from '../../entry/byte-string.js';
import type { Tally } from '../../entry/tally.js';

/** All that is said of what was left out: sockets in one sentence, at the end. */
export function leftOutTexts({ leftOut, sockets }: Pick<Tally, 'leftOut' | 'sockets'>): string[] {
  if (sockets === undefined) return [...leftOut];
  const { count, first } = sockets;
  const which =
    count === 1
      ? `/${displayName(first)}`
      : `${formatNumber(count)} sockets, the first of them /${displayName(first)}`;
  const why = count === 1 ? 'a socket: its program makes it' : 'their programs make them';
  return [...leftOut, `${which} (${why} anew)`];
}
