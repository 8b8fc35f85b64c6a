import { systemErrorCode } from './failures.js';

/** Where an error of the system happened. Each side has its own remedy, and none is ever blamed for another. */
export type Side = 'source' | 'staging' | 'tape' | 'target' | 'catalog';

/**
 * An error of the system with its side, thrown by the call that met it: which side it is can be told nowhere else,
 * since the codes are the same. Keeps `code` and `path` of what the system said.
 */
export class SideError extends Error {
  readonly code: string;
  readonly path: string | undefined;

  constructor(
    readonly side: Side,
    cause: { code: string; message: string; path?: string | undefined },
  ) {
    super(cause.message, { cause });
    this.name = 'SideError';
    this.code = cause.code;
    this.path = cause.path;
  }
}

/** The side of an error; undefined for one that was met at no side, such as a failure with a sentence of its own. */
export function sideOf(error: unknown): Side | undefined {
  return error instanceof SideError ? error.side : undefined;
}

/** The error with its side, if it is one of the system and has none yet: the innermost call knows best. */
export function sided(side: Side, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (!(error instanceof Error) || error instanceof SideError) return error;
  // SQLite's and Node's own codes are no errors of a file.
  if (code === undefined || !/^E(?!RR_)[A-Z0-9]+$/.test(code)) return error;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined;
  return new SideError(side, { code, message: error.message, path });
}

/** Runs calls on one side: an error of the system that they meet is that side's. */
export async function onSide<Result>(side: Side, calls: () => Promise<Result>): Promise<Result> {
  try {
    return await calls();
  } catch (error) {
    throw sided(side, error);
  }
}

/** The same for calls that are synchronous. */
export function onSideSync<Result>(side: Side, calls: () => Result): Result {
  try {
    return calls();
  } catch (error) {
    throw sided(side, error);
  }
}
