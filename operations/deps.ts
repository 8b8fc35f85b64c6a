import type { Catalog } from '../catalog/open-catalog.js';
import type { Logger } from '../config/logger.js';
import type { Settings } from '../config/settings/settings.js';
import type { Drive } from '../tape/drives/drive.js';
import type { DriveLock } from '../tape/drives/drive-lock.js';

/** Dependencies of every activity. */
export interface Deps {
  settings: Settings;
  catalog: Catalog;
  logger: Logger;
}

/** Additional dependencies of an activity on a drive's queue. */
export interface DriveDeps extends Deps {
  drive: Drive;
  lock: DriveLock;
}

/** A group of a set, as the history refers to it. */
export interface GroupRef {
  setId: string;
  group: number;
}

/** One copy of a group. Histories of versions with only one copy have no number. */
export interface CopyRef extends GroupRef {
  copyNo?: number;
}

/** One archive of a retrieval, as the history refers to it. */
export interface RetrievalRef {
  id: string;
  no: number;
}
