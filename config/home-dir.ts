import { accessSync, constants, existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What decides where an installation is; tests give their own. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  /** The user's number; undefined on Windows. */
  uid: number | undefined;
  home: string;
  exists(path: string): boolean;
  isWritable(path: string): boolean;
}

const here: Surroundings = {
  env: process.env,
  platform: process.platform,
  uid: process.getuid?.(),
  home: os.homedir(),
  exists: existsSync,
  isWritable: (folder) => {
    try {
      accessSync(folder, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

/** What an installation in the project folder is known by: its configuration file, or its data. */
const signs = ['tapeflow.config.json', '.tapeflow'];

/**
 * The folder that relative settings start from. It is the project folder, where that is a clone which this user may
 * write to, or has an installation already. A program that npm has installed for all (`npm install --global`), or that
 * belongs to somebody else, holds no data: then it is a folder of the user's own.
 */
export function homeDir(projectDir: string, around: Surroundings = here): string {
  const { exists, isWritable } = around;
  if (signs.some((name) => exists(path.join(projectDir, name)))) return projectDir;
  const isGlobal =
    projectDir.split(path.sep).includes('node_modules') ||
    // Left by scripts/run.mjs --install-global.
    exists(path.join(projectDir, '.tapeflow-global'));
  return isGlobal || !isWritable(projectDir) ? dataHome(around) : projectDir;
}

/** Where programs keep what is a user's: for root the system's own place, for others as the XDG specification says. */
function dataHome({ env, platform, uid, home }: Surroundings): string {
  if (platform === 'win32')
    return path.win32.join(env['LOCALAPPDATA'] ?? path.win32.join(home, 'AppData', 'Local'), 'tapeflow');
  if (platform === 'darwin' && uid !== 0)
    return path.join(home, 'Library', 'Application Support', 'tapeflow');
  if (uid === 0) return '/var/lib/tapeflow';
  const given = env['XDG_DATA_HOME'] ?? '';
  // A relative one is to be ignored.
  return path.join(path.isAbsolute(given) ? given : path.join(home, '.local', 'share'), 'tapeflow');
}
