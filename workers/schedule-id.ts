/** What the server's id of every schedule begins with. */
export const schedulePrefix = 'tapeflow-';

/** The server's id of a schedule. */
export const scheduleId = (name: string): string => schedulePrefix + name;
