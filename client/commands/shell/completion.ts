import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { usageFailure } from '../../../config/failures.js';
import { completionScripts } from '../../completion/scripts.js';

/** `completion bash|zsh|fish`: prints the script that the shell reads. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => {
      const script = completionScripts[shell];
      const known = Object.keys(completionScripts);
      if (script === undefined)
        throw usageFailure(
          'NoSuchShell',
          english`There are no completions for ${JSON.stringify(shell)}.`,
          english`There are for ${known.slice(0, -1).join(', ')} and ${known.at(-1) ?? ''}.`,
        );
      process.stdout.write(script);
    });
}
