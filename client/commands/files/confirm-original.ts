import { createInterface } from 'node:readline/promises';
import { formatCount } from '../../../config/counts.js';

/** Asks on the terminal whether a restore may write where the files came from; true only for a yes. */
export async function confirmed(setId: string, members: number, overwrite: string): Promise<boolean> {
  const there = {
    never: 'What is there stays',
    'if-newer': 'What is there and older is replaced',
    always: 'What is there is replaced',
  }[overwrite];
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question =
      `Restore ${formatCount(members, 'entry', 'entries')} of ${setId} to where they came from? ` +
      `${there ?? 'What is there stays'}. [y/N] `;
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
