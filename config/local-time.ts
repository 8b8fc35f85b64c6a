import { localClock } from './time-zone.js';

const two = (value: number) => String(value).padStart(2, '0');

/** Local date and time for people, of milliseconds since 1970: `2026-11-24 14:03:07`. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  return `${dayOf(date)} ${clockOf(date)}`;
}

/** Date and time in a time zone, by the minute, of milliseconds since 1970: `2027-03-28 03:30`. */
export function formatTimeIn(zone: string, ms: number): string {
  return new Date(localClock(zone, ms)).toISOString().slice(0, 16).replace('T', ' ');
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
