import { createInterface } from 'node:readline/promises';
import { formatCount } from '../../../config/counts.js';
import { t } from '../../../messages/shown.js';

/** Asks on the terminal whether a restore may write where the files came from; true only for a yes. */
export async function confirmed(setId: string, members: number, overwrite: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const entries = formatCount(members, 'entry', 'entries');
    const question = t`Restore ${entries} of ${setId} to where they came from? ${fateText(overwrite)} [y/N]`;
    return /^y(es)?$/i.test((await terminal.question(`${question} `)).trim());
  } finally {
    terminal.close();
  }
}

/** What becomes of what is there. */
function fateText(overwrite: string): string {
  if (overwrite === 'if-newer') return t`What is there and older is replaced.`;
  return overwrite === 'always' ? t`What is there is replaced.` : t`What is there stays.`;
}
