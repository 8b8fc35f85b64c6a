import type { Command } from 'commander';

type AddCommands = (program: Command) => void;

/** The files of commands, in the order of the help, each with the names that it adds. */
const files: { names: string[]; load: () => Promise<AddCommands> }[] = [
  { names: ['backup'], load: async () => (await import('./commands/backup.js')).addBackup },
  { names: ['restore'], load: async () => (await import('./commands/restore.js')).addRestore },
  { names: ['verify'], load: async () => (await import('./commands/verify.js')).addVerify },
  { names: ['up', 'down'], load: async () => (await import('./commands/up.js')).addUp },
  { names: ['sets'], load: async () => (await import('./commands/sets.js')).addSets },
  { names: ['status'], load: async () => (await import('./commands/status.js')).addStatus },
  { names: ['watch'], load: async () => (await import('./commands/watch.js')).addWatch },
  {
    names: ['pause', 'resume', 'cancel', 'retry'],
    load: async () => (await import('./commands/control.js')).addControl,
  },
  { names: ['trace'], load: async () => (await import('./commands/trace.js')).addTrace },
  { names: ['doctor'], load: async () => (await import('./commands/doctor.js')).addDoctor },
  { names: ['find'], load: async () => (await import('./commands/find.js')).addFind },
  { names: ['ls'], load: async () => (await import('./commands/ls.js')).addLs },
  { names: ['diff'], load: async () => (await import('./commands/diff.js')).addDiff },
  { names: ['tape'], load: async () => (await import('./commands/tape.js')).addTape },
  { names: ['schedule'], load: async () => (await import('./commands/schedule.js')).addSchedule },
  { names: ['worker'], load: async () => (await import('./commands/worker.js')).addWorker },
  { names: ['host'], load: async () => (await import('./commands/host.js')).addHost },
];

/**
 * Adds the command that is asked for, or, for the help and for a name that is none, all of them. Loading every command
 * takes longer than most commands do.
 *
 * @param args what stands after `tapeflow`.
 */
export async function loadCommands(program: Command, args: readonly string[]): Promise<void> {
  // The options before a command take no value, so the first word is the command.
  const asked = args.find((arg) => !arg.startsWith('-'));
  const found = files.filter(({ names }) => asked !== undefined && names.includes(asked));
  for (const { load } of found.length > 0 ? found : files) (await load())(program);
}
