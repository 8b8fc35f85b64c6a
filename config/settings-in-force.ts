import { projectDir } from './project-dir.js';
import { loadSettings, type Settings } from './settings.js';
import { shareWith } from './shared-group.js';

/** The settings of this process, by which it also chooses who may read what it makes. Throws as `loadSettings` does. */
export function settingsInForce(): Settings {
  const settings = loadSettings(process.env, projectDir);
  shareWith(settings.sharedGroup);
  return settings;
}
