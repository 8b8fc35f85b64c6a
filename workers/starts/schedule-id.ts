/**
 * The server's id of a schedule of an installation. That has no dot in its short id, so what follows the first one is
 * the name.
 */
export const scheduleId = (name: string, installation: string): string => `tapeflow-${installation}.${name}`;

/** What every schedule's id began with before it named an installation. */
export const formerSchedulePrefix = 'tapeflow-';
