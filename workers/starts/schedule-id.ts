/** The server's id of a schedule. The short id has no dot, so the name begins after the first dot. */
export const scheduleId = (name: string, installation: string): string => `tapeflow-${installation}.${name}`;

/** Prefix of schedule ids before they contained the installation. */
export const legacySchedulePrefix = 'tapeflow-';
