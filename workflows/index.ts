export { backupSet } from './backup-set.js';
export { eraseLoadedTape } from './erase-tape.js';
export { labelLoadedTape } from './label-tape.js';
export { readLoadedTape } from './read-tape.js';
export { retrieveArchives } from './retrieve-archives.js';
export { scheduledBackup } from './scheduled-backup.js';
export { scheduledReading } from './scheduled-reading.js';
export { copyArchives } from './copy-archives.js';
