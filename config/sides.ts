import { systemErrorCode } from './failures.js';

/** Where a system error happened. Each side has its own remedy, and none is ever blamed for another. */
export type Side = 'source' | 'staging' | 'tape' | 'target' | 'catalog';

/**
 * A system error with its side, thrown by the call that met it: only that call knows the side, since the codes are the
 * same. Keeps the system's `code` and `path`.
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

/** The side of an error; undefined for one without a side, such as a failure with its own message. */
export function sideOf(error: unknown): Side | undefined {
  return error instanceof SideError ? error.side : undefined;
}

/** Adds the side to a system error that has none yet: the innermost call knows best. */
export function withSide(side: Side, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (!(error instanceof Error) || error instanceof SideError) return error;
  // SQLite's and Node's own codes are not file errors.
  if (code === undefined || !/^E(?!RR_)[A-Z0-9]+$/.test(code)) return error;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined;
  return new SideError(side, { code, message: error.message, path });
}

/** Runs calls on one side: a system error that they throw gets that side. */
export async function onSide<Result>(side: Side, calls: () => Promise<Result>): Promise<Result> {
  try {
    return await calls();
  } catch (error) {
    throw withSide(side, error);
  }
}

/** The same for synchronous calls. */
export function onSideSync<Result>(side: Side, calls: () => Result): Result {
  try {
    return calls();
  } catch (error) {
    throw withSide(side, error);
  }
}
