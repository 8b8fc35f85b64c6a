import { cellsOf, commands, states } from './command-table.js';
import { LiveSets } from './live-sets.js';

/**
 * Gives every command to sets of one and of two copies in every state, and prints a table: a line for each state, a
 * column for each command.
 * @returns true when each did what is right.
 */
export async function printCommandTable(): Promise<boolean> {
  const ends: (() => Promise<void> | void)[] = [];
  const live = await LiveSets.start({ after: (end) => void ends.push(end as () => Promise<void>) });
  const wrong: string[] = [];
  console.log(
    `| state | copies | ${commands.join(' | ')} |\n|---|---|${commands.map(() => '---').join('|')}|`,
  );
  try {
    for (const state of Object.keys(states)) {
      for (const copies of [1, 2] as const) {
        const cells = await cellsOf(live, state, copies);
        const marks = cells.map(({ problems }) => (problems.length === 0 ? 'right' : 'WRONG'));
        console.log(`| ${state} | ${copies} | ${marks.join(' | ')} |`);
        for (const { command, problems } of cells)
          wrong.push(...problems.map((problem) => `${state}, ${copies} copies, ${command}: ${problem}`));
      }
    }
  } finally {
    for (const end of ends.reverse()) await end();
  }
  for (const line of wrong) console.log(line);
  return wrong.length === 0;
}
