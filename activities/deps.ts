import type { Catalog } from '../catalog/open-catalog.js';
import type { Logger } from '../config/logger.js';
import type { Settings } from '../config/settings.js';
import type { Drive } from '../tape/drives/drive.js';
import type { DriveLock } from '../tape/drives/drive-lock.js';

/** What every activity works with. */
export interface Deps {
  settings: Settings;
  catalog: Catalog;
  logger: Logger;
}

/** What an activity on a drive's queue works with besides. */
export interface DriveDeps extends Deps {
  drive: Drive;
  lock: DriveLock;
}

/** A group of a set: all that the history carries of it. */
export interface GroupRef {
  setId: string;
  group: number;
}

/** One copy of a group. Its number is left out in the histories of versions that had only one. */
export interface CopyRef extends GroupRef {
  copyNo?: number;
}
