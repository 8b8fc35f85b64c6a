import { SideError, sideOf, type Side } from './sides.js';

/** An error as plain data: a thread can send no object of a class. */
export interface ErrorData {
  message: string;
  code: string | undefined;
  path: string | undefined;
  syscall: string | undefined;
  stack: string | undefined;
  /** Undefined for errors without a side. */
  side: Side | undefined;
}

/** What of an error a thread sends. */
export function toErrorData(error: unknown): ErrorData {
  const { message, code, path, syscall, stack } = error as NodeJS.ErrnoException;
  return { message, code, path, syscall, stack, side: sideOf(error) };
}

/** The error that a thread has sent: a `SideError` if it was one. */
export function fromErrorData({ message, side, ...rest }: ErrorData): Error {
  const { code, path } = rest;
  if (side !== undefined && code !== undefined) return new SideError(side, { message, code, path });
  const known = Object.entries(rest).filter(([, value]) => value !== undefined);
  return Object.assign(new Error(message), Object.fromEntries(known));
}
