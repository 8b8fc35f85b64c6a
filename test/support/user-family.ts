import { OtherUser } from './other-user.js';
import { userCases } from './user-cases.js';

/**
 * Lets another user of the machine try everything of the family `users`, and prints a table.
 * @returns true when each was refused and nothing was lost.
 */
export async function printUserTable(): Promise<boolean> {
  if (process.getuid?.() !== 0) {
    console.log('The family `users` needs root, to be another user.');
    return true;
  }
  const ends: (() => Promise<void> | void)[] = [];
  let right = true;
  try {
    const user = await OtherUser.open({ after: (end) => void ends.push(end as () => Promise<void>) });
    console.log('| another user … | came of it |\n|---|---|');
    for (const { name, run } of userCases) {
      const wrong = await run(user);
      console.log(`| ${name} | ${wrong.length === 0 ? 'right' : `WRONG: ${wrong.join('; ')}`} |`);
      right &&= wrong.length === 0;
    }
  } finally {
    for (const end of ends.reverse()) await end();
  }
  return right;
}
