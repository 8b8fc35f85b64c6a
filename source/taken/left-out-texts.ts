import { formatNumber } from '../../config/counts.js';
import { displayName } from '../../entry/byte-string.js';
import type { Tally } from '../../entry/tally.js';
import { english } from '../../messages/sentence.js';

/** Why a folder, or what is mounted on a file, is left out. */
export type LeftOutReason = 'belongs to tapeflow' | 'is a pseudo file system' | 'is another file system';

/** What is said of it. */
export function leftOutText(where: string, why: LeftOutReason): string {
  switch (why) {
    case 'belongs to tapeflow':
      return english`${where} (belongs to tapeflow)`;
    case 'is a pseudo file system':
      return english`${where} (is a pseudo file system)`;
    case 'is another file system':
      return english`${where} (is another file system)`;
  }
}

/** All that is said of what was left out: sockets in one sentence, at the end. */
export function leftOutTexts({ leftOut, sockets }: Pick<Tally, 'leftOut' | 'sockets'>): string[] {
  if (sockets === undefined) return [...leftOut];
  const { count, first } = sockets;
  const one = `/${displayName(first)}`;
  const text =
    count === 1
      ? english`${one} (a socket: its program makes it anew)`
      : english`${formatNumber(count)} sockets, the first of them ${one} (their programs make them anew)`;
  return [...leftOut, text];
}
