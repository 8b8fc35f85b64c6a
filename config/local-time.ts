const two = (value: number) => String(value).padStart(2, '0');

/** Local date and time for people, of milliseconds since 1970: `2026-11-24 14:03:07`. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  return `${dayOf(date)} ${clockOf(date)}`;
}

/**
 * The local time of the day, `14:03:07`; with its date where that differs from the date of `now`; both in milliseconds
 * since 1970.
 */
export function timeOfDay(ms: number, now = Date.now()): string {
  const date = new Date(ms);
  return dayOf(date) === dayOf(new Date(now)) ? clockOf(date) : formatTime(ms);
}

function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function clockOf(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
