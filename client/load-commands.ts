import type { Command } from 'commander';

type AddCommands = (program: Command) => void;

interface CommandFile {
  /** The commands in the file, as shown by help, with their descriptions. */
  commands: Record<string, string>;
  load: () => Promise<AddCommands>;
  /** True for commands that only tapeflow itself runs. */
  hidden?: true;
}

/** The command files, in the order of the help. */
const files: CommandFile[] = [
  {
    commands: { 'backup [path...]': 'back up files and folders to tape' },
    load: async () => (await import('./commands/set/backup.js')).addBackup,
  },
  {
    commands: { 'restore <set>': 'bring files back from tape' },
    load: async () => (await import('./commands/files/restore.js')).addRestore,
  },
  {
    commands: {
      'verify [set-or-tape]': 'read archives back from the medium, and compare every hash',
    },
    load: async () => (await import('./commands/files/verify.js')).addVerify,
  },
  {
    commands: {
      up: 'run server, UI and workers on this machine until Ctrl-C; interrupted sets go on',
      down: 'stop the server and workers that `backup --detach` has left running',
    },
    load: async () => (await import('./commands/server/up.js')).addUp,
  },
  {
    commands: { web: 'serve the page, as `up` does, until Ctrl-C; print its address' },
    load: async () => (await import('../web/command.js')).addWeb,
  },
  {
    commands: { sets: 'list the backup sets' },
    load: async () => (await import('./commands/set/sets.js')).addSets,
  },
  {
    commands: {
      'status [set]': 'show what a set, a restore, a verify or a copy has done, and what it waits for',
    },
    load: async () => (await import('./commands/set/status.js')).addStatus,
  },
  {
    commands: { 'watch [set]': 'follow a set to its end (Ctrl-C ends only the watching)' },
    load: async () => (await import('./commands/set/watch.js')).addWatch,
  },
  {
    commands: { 'pause <set>': 'begin nothing new; what is being written is written to its end' },
    load: async () => (await import('./commands/set/pause.js')).addPause,
  },
  {
    commands: {
      'resume <set>':
        'go on after `pause`, check the drive again at once, or resume a set that the server has lost',
    },
    load: async () => (await import('./commands/set/resume.js')).addResume,
  },
  {
    commands: {
      'cancel <set>':
        'end a set (what is on tape and in staging stays, unless --discard), a restore, a verify or a copy',
    },
    load: async () => (await import('./commands/set/cancel.js')).addCancel,
  },
  {
    commands: { 'retry <set>': 'try the failed groups of a set again' },
    load: async () => (await import('./commands/set/retry.js')).addRetry,
  },
  {
    commands: {
      'trace <set|archive|file>':
        'where is a set, an archive or a source file: in final? queued? on tape? and what to do',
    },
    load: async () => (await import('./commands/files/trace.js')).addTrace,
  },
  {
    commands: { doctor: 'print the settings in force, check this installation, and say what to do' },
    load: async () => (await import('./commands/server/doctor.js')).addDoctor,
  },
  {
    commands: { 'find <glob>': 'find files in every set by a glob, such as `*.conf` or `/etc/**/hosts`' },
    load: async () => (await import('./commands/files/find.js')).addFind,
  },
  {
    commands: { 'ls <set> [path]': 'list everything in a set, or what is at a path: for a folder one level' },
    load: async () => (await import('./commands/files/ls.js')).addLs,
  },
  {
    commands: {
      'diff <set-a> <set-b>':
        'list what a set has added (+), removed (-) and changed (M) since an earlier one',
    },
    load: async () => (await import('./commands/files/diff.js')).addDiff,
  },
  {
    commands: { report: 'say what was backed up, how it grows, and what has one copy or was never verified' },
    load: async () => (await import('./commands/report/report.js')).addReport,
  },
  {
    commands: { 'export <command>': 'lists by which others can check what was delivered' },
    load: async () => (await import('./commands/report/export.js')).addExport,
  },
  {
    commands: { 'tape <command>': 'label and list tapes' },
    load: async () => (await import('./commands/tape/tape.js')).addTape,
  },
  {
    commands: { 'schedule <command>': 'backups, verifies and copies at set times' },
    load: async () => (await import('./commands/schedule/schedule.js')).addSchedule,
  },
  {
    commands: {
      'notify <command>': 'test the channels on which people are told, and list what they were told',
    },
    load: async () => (await import('./commands/server/notify.js')).addNotify,
  },
  {
    commands: { 'catalog <command>': 'copy the catalog, and restore a copy' },
    load: async () => (await import('./commands/server/catalog.js')).addCatalog,
  },
  {
    commands: { 'host <command>': 'list the hosts of this installation, or forget one' },
    load: async () => (await import('./commands/server/hosts.js')).addHosts,
  },
  {
    commands: { 'worker <command>': 'run one worker (`up` runs all that this machine needs)' },
    load: async () => (await import('./commands/server/worker.js')).addWorker,
  },
  {
    commands: { 'admin <command>': 'prepare a Temporal server of your own' },
    load: async () => (await import('./commands/server/admin.js')).addAdmin,
  },
  {
    commands: { 'service <command>': 'run server and workers under systemd' },
    load: async () => (await import('./commands/server/service.js')).addService,
  },
  {
    commands: {
      'completion <shell>': 'print what completes commands, options and names in bash, zsh or fish',
    },
    load: async () => (await import('./commands/shell/completion.js')).addCompletion,
  },
  {
    commands: { man: 'print the manual page (`tapeflow man | man -l -` shows it)' },
    load: async () => (await import('./commands/shell/man.js')).addMan,
  },
  {
    commands: { 'complete-words': '' },
    load: async () => (await import('./commands/shell/complete-words.js')).addCompleteWords,
    hidden: true,
  },
  {
    commands: { 'embedded-host': '' },
    load: async () => (await import('./commands/server/embedded-host.js')).addEmbeddedHost,
    hidden: true,
  },
];

/**
 * Loads the requested command. For help, version and unknown names, adds all commands without loading them, since
 * loading takes longer than most commands.
 *
 * @param args the arguments after `tapeflow`.
 */
export async function loadCommands(program: Command, args: readonly string[]): Promise<void> {
  const words = wordsOf(args);
  // `tapeflow help backup` is about `backup`.
  const asked = words[0] === 'help' ? words[1] : words[0];
  const found = files.filter(({ commands }) =>
    Object.keys(commands).some((shown) => nameIn(shown) === asked),
  );
  for (const { load } of found) (await load())(program);
  describe(program, found.length > 0 ? found : files);
}

/** Loads every command, also those that only tapeflow itself runs. */
export async function loadAllCommands(program: Command): Promise<void> {
  for (const { load } of files) (await load())(program);
  describe(program, files);
}

/** Gives the commands their descriptions; those that are not loaded are added without their options. */
function describe(program: Command, described: readonly CommandFile[]): void {
  const shown = described.flatMap(({ commands, hidden }) =>
    hidden === true ? [] : Object.entries(commands),
  );
  for (const [nameAndArguments, description] of shown) {
    const loaded = program.commands.find((command) => command.name() === nameIn(nameAndArguments));
    (loaded ?? program.command(nameAndArguments)).description(description);
  }
}

/** The loaded command that the arguments name; the program itself if none. */
export function askedCommand(program: Command, args: readonly string[]): Command {
  let command = program;
  for (const word of wordsOf(args)) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) break;
    command = next;
  }
  return command;
}

/** Options before a command take no value, so the first words are the command. */
function wordsOf(args: readonly string[]): string[] {
  return args.filter((arg) => !arg.startsWith('-'));
}

function nameIn(nameAndArguments: string): string {
  return nameAndArguments.split(' ', 1)[0] ?? '';
}
