import os from 'node:os';

/** What may be done about a failure: this decides the retry policy of an activity and the exit code of a command. */
export type FailureKind =
  /** The same call may succeed later: a busy file, a server that is away. Retried by the activity's policy. */
  | 'transient'
  /** Will fail the same way again: it is reported, parked and never retried by itself. */
  | 'permanent'
  /**
   * A person has to do something (load a tape, mount a drive). The set waits for it; it is not a failure of the set.
   */
  | 'person'
  /** The command was used wrongly: exit code 2. */
  | 'usage';

export interface FailureOptions {
  kind?: FailureKind;
  /** What the person can do about it; a sentence of its own. */
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

/** Numbers of Linux that libuv has no name for, and so calls `UNKNOWN`; a full quota is one of them. */
const unnamed = new Map([
  ...Object.entries(os.constants.errno).map(([name, number]) => [number, name] as const),
  ...(process.platform === 'linux'
    ? ([
        [117, 'EUCLEAN'],
        [121, 'EREMOTEIO'],
      ] as const)
    : []),
]);

/** The `code` of a system error (`ENOENT`), or undefined when the value is no such error. */
export function systemErrorCode(error: unknown): string | undefined {
  if (error === null || typeof error !== 'object' || !('code' in error)) return undefined;
  const { code } = error;
  if (code === 'UNKNOWN' && 'errno' in error && typeof error.errno === 'number')
    return unnamed.get(-error.errno) ?? code;
  return typeof code === 'string' ? code : undefined;
}

/** Plain words for the system errors that a person meets; other codes are shown as they are. */
const plainWords: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'is a folder',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'the file system is read-only',
  EIO: 'input/output error of the device',
  ENOTCONN: 'the file system behind the mount has died',
  ECONNABORTED: 'the file system behind the mount has died',
  ELOOP: 'is a symbolic link, or a loop of them',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
  EBUSY: 'busy',
  ESTALE: 'stale network file handle',
  ENODEV: 'the device is gone',
  EINVAL: 'the file system refuses this name or call',
};

/** Causes of an error that are told; a chain that leads back into itself ends here too. */
const mostCauses = 5;

/**
 * One short phrase for any error: plain words for a system error, else the first line of its message, and after a colon
 * what its causes add to that.
 */
export function describeError(error: unknown): string {
  const phrases: string[] = [];
  let cause: unknown = error;
  for (let depth = 0; depth <= mostCauses && cause !== undefined && cause !== null; depth += 1) {
    const phrase = phraseOf(cause);
    if (phrase !== '' && !phrases.some((before) => before.includes(phrase))) phrases.push(phrase);
    // A sentence of ours tells its cause already.
    cause = cause instanceof Error && !(cause instanceof TapeflowFailure) ? cause.cause : undefined;
  }
  return phrases.join(': ');
}

function phraseOf(error: unknown): string {
  if (error instanceof TapeflowFailure) return error.sentence;
  const code = systemErrorCode(error);
  const words = code === undefined ? undefined : plainWords[code];
  if (words !== undefined) return `${words} (${code})`;
  // What a gRPC server says; the message has the number and name of the status before it.
  const said = error instanceof Error && 'details' in error ? error.details : undefined;
  const message =
    typeof said === 'string' && said !== '' ? said : error instanceof Error ? error.message : String(error);
  return (message.split('\n', 1)[0] ?? message).replace(/\.$/, '');
}
