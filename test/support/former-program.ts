import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { projectDir } from '../../config/project-dir.js';
import { tempFolder } from './trees.js';

/**
 * The last commit of version 0.1.0: the release before this one, as long as no tag names one. Whoever makes a release
 * tags it `vVERSION`, and the test of an upgrade begins with that from the next commit on.
 */
const lastOf010 = 'a42379beab5718f89e9b46860e99183e1d150e05';

/** What an upgrade is tested from: `TAPEFLOW_UPGRADE_FROM`, else the newest release before this commit. */
export const formerRelease = process.env['TAPEFLOW_UPGRADE_FROM'] ?? newestTag() ?? lastOf010;

/** Why there is no such program here; false when there is. */
export const lacksFormerRelease = git('cat-file', '-e', `${formerRelease}^{commit}`)
  ? false
  : `the git history here does not have ${formerRelease}, the release before this one`;

function newestTag(): string | undefined {
  const { status, stdout } = spawnSync(
    'git',
    ['describe', '--tags', '--abbrev=0', '--match', 'v*', 'HEAD^'],
    { cwd: projectDir, encoding: 'utf8' },
  );
  return status === 0 ? stdout.trim() : undefined;
}

function git(...args: string[]): boolean {
  return spawnSync('git', args, { cwd: projectDir, stdio: 'ignore' }).status === 0;
}

/**
 * Builds the program as it was at a commit, without its tests and without checking its types, with the packages that
 * are installed here.
 *
 * @returns its folder.
 */
export function formerProgram(t: TestContext, commit: string): string {
  const folder = tempFolder(t);
  const archive = execFileSync('git', ['archive', commit], { cwd: projectDir, maxBuffer: 1 << 28 });
  execFileSync('tar', ['x', '-C', folder], { input: archive });
  linkPackages(folder);
  const file = path.join(folder, 'tsconfig.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as {
    compilerOptions: Record<string, unknown>;
    include: string[];
  };
  Object.assign(config.compilerOptions, { noCheck: true, incremental: false, sourceMap: false });
  delete config.compilerOptions['tsBuildInfoFile'];
  config.include = config.include.filter((part) => part !== 'test' && part !== 'bench');
  writeFileSync(file, JSON.stringify(config));
  execFileSync(process.execPath, [path.join(folder, 'scripts', 'build.mjs')], { stdio: 'pipe' });
  return folder;
}

/**
 * This program with other workflows, as a version before might have had them: its sets wait for a timer first, so that
 * no history of theirs replays with ours.
 *
 * @returns its folder.
 */
export function otherProgram(t: TestContext): string {
  const folder = tempFolder(t);
  for (const name of ['bin', 'package.json'])
    cpSync(path.join(projectDir, name), path.join(folder, name), { recursive: true });
  for (const name of readdirSync(path.join(projectDir, 'dist'))) {
    if (name === 'test' || name === 'bench') continue;
    cpSync(path.join(projectDir, 'dist', name), path.join(folder, 'dist', name), { recursive: true });
  }
  linkPackages(folder);
  const file = path.join(folder, 'dist', 'workflow-bundle.js');
  const [before, after, ...others] = readFileSync(file, 'utf8').split('async function backupSet(input) {');
  if (after === undefined || others.length > 0) throw new Error(`${file} has no backupSet, or several`);
  const timer = 'await new Promise((go) => setTimeout(go, 1));';
  writeFileSync(file, `${before}async function backupSet(input) { ${timer}${after}`);
  return folder;
}

/** The packages that are installed here, but for what another version of the program compiles for itself. */
function linkPackages(folder: string): void {
  const from = path.join(projectDir, 'node_modules');
  const to = path.join(folder, 'node_modules');
  mkdirSync(to);
  for (const name of readdirSync(from))
    if (name !== '.tapeflow') symlinkSync(path.join(from, name), path.join(to, name));
}
