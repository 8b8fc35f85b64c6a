import os from 'node:os';
import { english } from '../messages/sentence.js';

/** What can be done about a failure; decides an activity's retry policy and a command's exit code. */
export type FailureKind =
  /** The same call may succeed later: a busy file, a server that is away. Retried by the activity's policy. */
  | 'transient'
  /** Will fail the same way again: reported, parked, and never retried automatically. */
  | 'permanent'
  /** A person has to act (load a tape, mount a drive). The set waits for it; this is not a failure of the set. */
  | 'person'
  /** The command was used wrongly: exit code 2. */
  | 'usage';

export interface FailureOptions {
  kind?: FailureKind;
  /** What the user can do about it, as a separate sentence. */
  advice?: string;
  cause?: unknown;
  /** Facts for programs, never shown as text. JSON only: it travels through Temporal. */
  details?: Record<string, unknown>;
}

/**
 * A failure that tapeflow understands. Its message is one sentence that says what is wrong and where; `advice` says
 * what to do. It is printed without a stack trace, and its `code` is the `type` of the Temporal ApplicationFailure.
 */
export class TapeflowFailure extends Error {
  readonly kind: FailureKind;
  readonly advice: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(
    readonly code: string,
    message: string,
    options: FailureOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TapeflowFailure';
    this.kind = options.kind ?? 'permanent';
    this.advice = options.advice;
    this.details = options.details ?? {};
  }

  /** The sentence, and the advice if there is one. */
  get sentence(): string {
    return this.advice === undefined ? this.message : `${this.message} ${this.advice}`;
  }
}

/** A wrong use of a command or a wrong setting: exit code 2. */
export function usageFailure(code: string, message: string, advice?: string): TapeflowFailure {
  return new TapeflowFailure(
    code,
    message,
    advice === undefined ? { kind: 'usage' } : { kind: 'usage', advice },
  );
}

/** Linux error numbers that libuv reports as `UNKNOWN` because it has no name for them; a full quota is one. */
const unnamed = new Map([
  ...Object.entries(os.constants.errno).map(([name, number]) => [number, name] as const),
  ...(process.platform === 'linux'
    ? ([
        [117, 'EUCLEAN'],
        [121, 'EREMOTEIO'],
      ] as const)
    : []),
]);

/** The `code` of a system error (`ENOENT`), or undefined for any other value. */
export function systemErrorCode(error: unknown): string | undefined {
  if (error === null || typeof error !== 'object' || !('code' in error)) return undefined;
  const { code } = error;
  if (code === 'UNKNOWN' && 'errno' in error && typeof error.errno === 'number')
    return unnamed.get(-error.errno) ?? code;
  return typeof code === 'string' ? code : undefined;
}

/** Plain words for the system errors that users meet, with the code; other codes are shown as they are. */
const plainWords: Record<string, string> = {
  EACCES: english`permission denied (EACCES)`,
  EPERM: english`operation not permitted (EPERM)`,
  ENOENT: english`does not exist (ENOENT)`,
  ENOTDIR: english`a part of the path is not a folder (ENOTDIR)`,
  EISDIR: english`is a folder (EISDIR)`,
  ENOSPC: english`no space left on the device (ENOSPC)`,
  EDQUOT: english`disk quota exceeded (EDQUOT)`,
  EROFS: english`the file system is read-only (EROFS)`,
  EIO: english`input/output error of the device (EIO)`,
  ENOTCONN: english`the file system behind the mount has died (ENOTCONN)`,
  ECONNABORTED: english`the file system behind the mount has died (ECONNABORTED)`,
  ELOOP: english`is a symbolic link, or a loop of links (ELOOP)`,
  ENAMETOOLONG: english`the name is too long (ENAMETOOLONG)`,
  EMFILE: english`too many open files (EMFILE)`,
  EBUSY: english`busy (EBUSY)`,
  ESTALE: english`stale network file handle (ESTALE)`,
  ENODEV: english`the device is gone (ENODEV)`,
  EINVAL: english`the file system rejects this name or call (EINVAL)`,
};

/** Maximum number of causes of an error that are shown; also bounds a circular chain. */
const maxCauses = 5;

/**
 * One short phrase for any error: plain words for a system error, else the first line of its message, and after a colon
 * what its causes add to that.
 */
export function describeError(error: unknown): string {
  const phrases: string[] = [];
  let cause: unknown = error;
  for (let depth = 0; depth <= maxCauses && cause !== undefined && cause !== null; depth += 1) {
    const phrase = phraseOf(cause);
    if (phrase !== '' && !phrases.some((before) => before.includes(phrase))) phrases.push(phrase);
    // One of our own sentences already tells its cause.
    cause = cause instanceof Error && !(cause instanceof TapeflowFailure) ? cause.cause : undefined;
  }
  return phrases
    .slice(0, -1)
    .reduceRight((after, before) => english`${before}: ${after}`, phrases.at(-1) ?? '');
}

/** The message of an error, and of what only looks like one: the cause of a `SideError`. */
function messageOf(error: unknown): string {
  const looks = error !== null && typeof error === 'object' && 'message' in error;
  return looks ? String(error.message) : String(error);
}

function phraseOf(error: unknown): string {
  if (error instanceof TapeflowFailure) return error.sentence;
  const code = systemErrorCode(error);
  const words = code === undefined ? undefined : plainWords[code];
  if (words !== undefined) return words;
  // What a gRPC server says; `message` puts the status number and name in front.
  const said = error instanceof Error && 'details' in error ? error.details : undefined;
  const message = typeof said === 'string' && said !== '' ? said : messageOf(error);
  return (message.split('\n', 1)[0] ?? message).replace(/\.$/, '');
}
