import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { english } from '../../../messages/sentence.js';
import { t } from '../../../messages/shown.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { projectDir } from '../../../config/project-dir.js';
import type { Settings } from '../../../config/settings/settings.js';
import { usesOwnServer } from '../../../workers/server/own-server.js';
import {
  mark,
  possibleFiles,
  serviceFiles,
  unitNames,
  type ServicePlan,
} from '../../service/service-files.js';
import { openSession, type Session } from '../../session.js';

interface ServiceFlags {
  user?: true;
  print?: true;
}

/** `service install|remove`: server and workers under systemd, from the start of the machine on. */
export function addService(program: Command): void {
  const service = program.command('service');
  service
    .command('install')
    .description('write units for systemd, and the rotation of the logs; start them now and with the machine')
    .option('--user', 'a service of this user alone, without root')
    .option('--print', 'print what would be written; write nothing')
    .action((flags: ServiceFlags, command: Command) => install(openSession(command), flags));
  service
    .command('remove')
    .description('stop the service, and remove what `service install` has written; all data stays')
    .option('--user', 'the service of this user')
    .action((flags: ServiceFlags, command: Command) => remove(openSession(command), flags));
}

function install(session: Session, flags: ServiceFlags): void {
  const plan = servicePlan(session.settings, flags);
  const files = serviceFiles(plan);
  if (flags.print === true) {
    for (const { path: file, text } of files)
      if (session.json) session.emit({ path: file, text });
      else for (const line of [`# ${file}`, ...text.split('\n')]) session.print(line);
    return;
  }
  requireRights(flags, 'install');
  for (const { path: file, text } of files) {
    requireOurs(file);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, text, { mode: 0o644 });
    if (!session.json) session.print(t`${file} is written.`);
  }
  for (const name of fromEnvironment(session.settings))
    session.say(t`${name} is set in your environment only: the service needs it in ${envFile(flags)}, too.`);
  const units = unitNames(plan);
  systemctl(flags, ['daemon-reload'], units);
  systemctl(flags, ['enable', '--now', ...units], units);
  if (session.json) session.emit({ files: files.map(({ path: file }) => file), units });
  else
    session.print(t`${units.join(t` and `)} ${units.length === 1 ? 'runs' : 'run'}, also after a restart.`);
}

function remove(session: Session, flags: ServiceFlags): void {
  requireRights(flags, 'remove');
  const plan = servicePlan(session.settings, flags);
  const files = possibleFiles(plan).filter((file) => isOurs(file));
  const units = files
    .map((file) => path.basename(file))
    .filter((name) => name.endsWith('.service'))
    .flatMap((name) =>
      name.includes('@') ? plan.drives.map((drive) => name.replace('@', `@${drive}`)) : [name],
    );
  if (units.length > 0) systemctl(flags, ['disable', '--now', ...units], units);
  for (const file of files) rmSync(file);
  if (units.length > 0) systemctl(flags, ['daemon-reload'], units);
  if (session.json) session.emit({ removed: files });
  else if (files.length === 0) session.print(t`There is no service: nothing was removed.`);
  else
    session.print(
      t`The service is stopped and removed; the data in ${session.settings.TAPEFLOW_DATA_DIR} stays.`,
    );
}

function servicePlan(settings: Settings, { user }: ServiceFlags): ServicePlan {
  const forUser = user === true;
  const home = process.env['XDG_CONFIG_HOME'] ?? path.join(os.homedir(), '.config');
  return {
    forUser,
    ownServer: usesOwnServer(settings),
    drives: settings.drives.map(({ name }) => name),
    projectDir,
    node: process.execPath,
    unitDir: forUser ? path.join(home, 'systemd', 'user') : '/etc/systemd/system',
    logDir: path.join(settings.TAPEFLOW_DATA_DIR, 'logs'),
  };
}

/** Throws a sentence where this user cannot do it, or where there is no systemd. */
function requireRights({ user }: ServiceFlags, what: string): void {
  if (process.platform !== 'linux')
    throw new TapeflowFailure(
      'NoSystemd',
      english`systemd runs on Linux only, and this is ${process.platform}.`,
      {
        advice: english`docs/deployment.md says what a service of another kind has to run.`,
      },
    );
  if (user === true || process.getuid?.() === 0) return;
  throw new TapeflowFailure('NotRoot', english`A service of the whole machine is root's to change.`, {
    kind: 'usage',
    advice: english`Run \`sudo tapeflow service ${what}\`, or with --user for a service of this user alone.`,
  });
}

function isOurs(file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').startsWith(mark);
}

/** A unit that somebody wrote by hand is not replaced. */
function requireOurs(file: string): void {
  if (!existsSync(file) || isOurs(file)) return;
  throw new TapeflowFailure(
    'ForeignUnit',
    english`${file} was not written by \`tapeflow service install\`.`,
    {
      advice: english`Move it away first; \`service install --print\` shows what would take its place.`,
    },
  );
}

function envFile({ user }: ServiceFlags): string {
  return user === true ? '~/.config/tapeflow/tapeflow.env' : '/etc/tapeflow/tapeflow.env';
}

/** Settings that come from the environment of this command, which the service does not have. */
function fromEnvironment({ origins }: Settings): string[] {
  return Object.entries(origins).flatMap(([name, origin]) => (origin === 'environment' ? [name] : []));
}

function systemctl({ user }: ServiceFlags, args: string[], units: string[]): void {
  const all = [...(user === true ? ['--user'] : []), ...args];
  const { status, stderr, error } = spawnSync('systemctl', all, { encoding: 'utf8' });
  if (status === 0) return;
  const why = error?.message ?? (stderr.trim().split('\n').at(0) || english`exit code ${status ?? ''}`);
  throw new TapeflowFailure(
    'SystemdFailed',
    english`\`systemctl ${all.join(' ')}\` failed: ${why.replace(/\.$/, '')}.`,
    {
      advice: english`\`journalctl ${user === true ? '--user ' : ''}-u ${units[0] ?? ''}\` may say more.`,
    },
  );
}
