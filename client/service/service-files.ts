import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A file that `service install` writes. */
export interface ServiceFile {
  path: string;
  text: string;
}

/** What the files are made for. */
export interface ServicePlan {
  /** A service of this user alone, by the user's own systemd. */
  forUser: boolean;
  /** True with a Temporal server of your own: a worker for each drive, and one for the sources. */
  ownServer: boolean;
  drives: readonly string[];
  /** Folder of the program, and the Node that runs it. */
  projectDir: string;
  node: string;
  /** Where systemd looks for units. */
  unitDir: string;
  /** `<data>/logs`. */
  logDir: string;
}

/** The first line of each file, by which `service remove` knows its own. */
export const mark = '# Written by `tapeflow service install`, and removed by `tapeflow service remove`.';

/** logrotate's own folder; it is root's. */
const rotationFile = '/etc/logrotate.d/tapeflow';

/** What only the system's own systemd can do for a service, not that of a user; with the comments before it. */
const onlyForRoot =
  /(?:^#.*\n)*^(?:CapabilityBoundingSet|DevicePolicy|DeviceAllow|Protect\w+|Wants|After|KeyringMode|Conflicts)=.*\n/gm;

/** The units to enable: of a template, one for each drive. */
export function unitNames({ ownServer, drives }: Pick<ServicePlan, 'ownServer' | 'drives'>): string[] {
  if (!ownServer) return ['tapeflow-up.service'];
  return ['tapeflow-archive.service', ...drives.map((drive) => `tapeflow-tape@${drive}.service`)];
}

/** The files of a service: its units, made from those in `deploy/systemd`, and for root the rotation of its logs. */
export function serviceFiles(plan: ServicePlan): ServiceFile[] {
  const templates = plan.ownServer
    ? ['tapeflow-archive.service', 'tapeflow-tape@.service']
    : ['tapeflow-up.service'];
  const units = templates.map((name) => ({ path: path.join(plan.unitDir, name), text: unit(plan, name) }));
  return plan.forUser ? units : [...units, { path: rotationFile, text: rotation(plan.logDir) }];
}

/** Every file that any `service install` may have written. */
export function possibleFiles({ forUser, unitDir }: Pick<ServicePlan, 'forUser' | 'unitDir'>): string[] {
  const names = ['tapeflow-up.service', 'tapeflow-archive.service', 'tapeflow-tape@.service'];
  return [...names.map((name) => path.join(unitDir, name)), ...(forUser ? [] : [rotationFile])];
}

function unit({ projectDir, node, forUser }: ServicePlan, name: string): string {
  const template = readFileSync(path.join(projectDir, 'deploy', 'systemd', name), 'utf8');
  const text = template
    .replaceAll('/usr/bin/node /opt/tapeflow/bin/tapeflow.cjs', () =>
      [node, path.join(projectDir, 'bin', 'tapeflow.cjs')].map(unitWord).join(' '),
    )
    .replace(/^Documentation=.*$/m, 'Documentation=man:tapeflow(1)')
    .replaceAll('/opt/tapeflow', () => escapePercent(projectDir));
  if (!forUser) return `${mark}\n${text}`;
  const own = text
    .replace(onlyForRoot, '')
    .replace('-/etc/tapeflow/tapeflow.env', '-%E/tapeflow/tapeflow.env')
    .replace('WantedBy=multi-user.target', 'WantedBy=default.target');
  return `${mark}\n${own}`;
}

/** A word of `ExecStart=`: systemd.service(5) has its quotes, `%` and `$`. */
function unitWord(word: string): string {
  const escaped = escapePercent(word).replace(/["\\]/g, '\\$&').replaceAll('$', '$$$$');
  return /[\s"'\\;]/.test(escaped) ? `"${escaped}"` : escaped;
}

/** `%` begins a specifier in every line of a unit. */
function escapePercent(text: string): string {
  return text.replaceAll('%', '%%');
}

/** The workers keep their logs open, so that a rotated one is copied and emptied. */
function rotation(logDir: string): string {
  return [
    mark,
    `"${path.join(logDir, '*.log')}" {`,
    ...['weekly', 'maxsize 100M', 'rotate 8', 'compress', 'missingok', 'notifempty', 'copytruncate'].map(
      (line) => `    ${line}`,
    ),
    '}',
    '',
  ].join('\n');
}
