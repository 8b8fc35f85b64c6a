/** Workflows and ordinary activities. */
export const archiveQueue = 'tapeflow-archive';
/** Compressions: its worker runs `PARALLEL_GROUPS` of them at once. */
export const compressQueue = 'tapeflow-compress';
/** Writes to one drive: one worker with one slot. */
export const driveQueue = (drive: string): string => `tapeflow-drive-${drive}`;
/** What looks at a drive or waits for it, and must not hold its slot. */
export const driveHostQueue = (drive: string): string => `tapeflow-drive-${drive}-host`;
