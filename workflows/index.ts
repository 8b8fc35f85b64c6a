export { backupSet } from './set/backup-set.js';
export { eraseLoadedTape } from './tape/erase-tape.js';
export { labelLoadedTape } from './tape/label-tape.js';
export { readLoadedTape } from './tape/read-tape.js';
export { retrieveArchives } from './retrieval/retrieve-archives.js';
export { scheduledBackup } from './schedule/scheduled-backup.js';
export { scheduledReading } from './schedule/scheduled-reading.js';
export { copyArchives } from './retrieval/copy-archives.js';
