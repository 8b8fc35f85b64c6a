import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { builtTree } from '../../built-tree.js';
import { candidatesFor } from '../../completion/candidates.js';
import { readShellLine } from '../../completion/shell-line.js';

/**
 * `complete-words`: what the scripts of `tapeflow completion` ask. Its input is the words after `tapeflow`, each with a
 * NUL behind it, and the last one as far as it is written; with `--line` a line of bash, and `COMP_WORDBREAKS`.
 */
export function addCompleteWords(program: Command): void {
  program
    .command('complete-words', { hidden: true })
    .option('--line', 'the input is a line of bash')
    .action(async ({ line }: { line?: true }) => {
      const given = readFileSync(0, 'utf8').split('\0').slice(0, -1);
      const { words, kept } = line === true ? bashWords(given) : { words: given, kept: 0 };
      const { kind, candidates } = await candidatesFor(builtTree(), words, kept);
      const lines = candidates.map(({ word, description }) =>
        line === true || description === '' ? word : `${word}\t${description}`,
      );
      process.stdout.write([kind, ...lines].map((text) => `${text}\n`).join(''));
    });
}

/** The words behind the command's own. */
function bashWords([line = '', breaks = '']: string[]): { words: string[]; kept: number } {
  const { words, kept } = readShellLine(line, breaks);
  return { words: words.slice(1), kept };
}
