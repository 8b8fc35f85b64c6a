import { SideError, sideOf, type Side } from './sides.js';

/** An error as plain data: a thread can send no object of a class. */
export interface ErrorData {
  message: string;
  code?: string;
  path?: string;
  syscall?: string;
  stack?: string;
  /** Undefined for errors without a side. */
  side?: Side;
}

/** What of an error a thread sends. */
export function toErrorData(error: unknown): ErrorData {
  const { message, code, path, syscall, stack } = error as NodeJS.ErrnoException;
  const all = { message, code, path, syscall, stack, side: sideOf(error) };
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined),
  ) as unknown as ErrorData;
}

/** The error that a thread has sent: a `SideError` if it was one. */
export function fromErrorData({ message, side, ...rest }: ErrorData): Error {
  const { code, path } = rest;
  if (side !== undefined && code !== undefined) return new SideError(side, { message, code, path });
  return Object.assign(new Error(message), rest);
}
