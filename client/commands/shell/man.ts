import type { Command } from 'commander';
import { projectVersion } from '../../../config/project-dir.js';
import { builtTree } from '../../built-tree.js';
import { manualPage } from '../../print/manual-page.js';

/** `man`: prints the manual page, in roff. */
export function addMan(program: Command): void {
  program.command('man').action(() => {
    process.stdout.write(manualPage(builtTree(), projectVersion));
  });
}
