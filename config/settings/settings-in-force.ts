import { homeDir } from '../home-dir.js';
import { projectDir } from '../project-dir.js';
import type { Settings } from './settings.js';
import { loadSettings } from './load-settings.js';
import { setSharedGroup } from '../shared-group.js';

/**
 * Loads the settings of this process and applies the one that says who may read what it creates. Throws like
 * `loadSettings`.
 */
export function settingsInForce(): Settings {
  const settings = loadSettings(process.env, homeDir(projectDir));
  setSharedGroup(settings.sharedGroup);
  return settings;
}
