import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { english } from '../../messages/sentence.js';
import { describeError, TapeflowFailure } from '../../config/failures.js';
import type { DriveSettings, Settings } from '../../config/settings/settings.js';
import type { Drive } from './drive.js';
import { openDrive } from './open-drive.js';
import { tapeNotReady } from './tape-not-ready.js';
import type { Answer, DriveCall, Question } from './drive-process.js';

/**
 * Maximum seconds that a command waits for an answer of a drive. A drive that seeks or writes its index sometimes takes
 * longer; then the command says so and can be run again.
 */
const maxSeconds = 15;

/** The failure for a drive that does not answer. */
function silentDriveFailure({ name, path }: DriveSettings, ms: number): TapeflowFailure {
  return tapeNotReady(
    'silent',
    english`The drive ${name} (${path}) has not answered for ${Math.round(ms / 100) / 10} s.`,
    english`It is busy with a long step, such as writing its index, or it hangs: look again in some
      minutes; if it stays so, look at the drive, and at the LTFS process behind the mount.`,
  );
}

/** The failure for a drive of another host, which only that can look into. */
function onOtherHost({ name, path }: DriveSettings, host: string): TapeflowFailure {
  return tapeNotReady(
    'other_host',
    english`The drive ${name} (${path}) is on host ${host}, and only commands there look into it.`,
    english`Run this command on host ${host}.`,
  );
}

/** Ignores any failure of a drive query except silence: a later step meets the others and reports them better. */
export function ignoreUnlessSilent(error: unknown): void {
  if (error instanceof TapeflowFailure && error.details['reason'] === 'silent') throw error;
}

/**
 * Queries a drive through a read-only interface, with a time limit for each answer: after it, throws `TapeNotReady`
 * with the reason `silent`. A separate process makes the calls, since a call into a hanging mount cannot be abandoned:
 * neither Ctrl-C nor `process.exit` ends a Node process in such a call.
 */
export async function queryDrive<Result>(
  { DRIVE_ANSWER_SECONDS: usual }: Pick<Settings, 'DRIVE_ANSWER_SECONDS'>,
  drive: DriveSettings,
  ask: (drive: Drive) => Promise<Result>,
): Promise<Result> {
  if (drive.host !== undefined) throw onOtherHost(drive, drive.host);
  // The default folder is on the data folder's disk, without which nothing works anyway.
  if (drive.ours) return ask(openDrive(drive));
  const asked = new AskedDrive(drive, Math.min(usual, maxSeconds) * 1000);
  try {
    return await ask(asked.drive());
  } finally {
    asked.end();
  }
}

async function within<Result>(
  settings: DriveSettings,
  limitMs: number,
  answer: Promise<Result>,
  giveUp: () => void,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      giveUp();
      reject(silentDriveFailure(settings, limitMs));
    }, limitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

type Ask = (look: DriveCall, args: string[]) => Promise<unknown>;

/** A drive whose queries all go through `ask`. */
function lookingOnly(settings: DriveSettings, { reserve }: Pick<Drive, 'reserve'>, ask: Ask): Drive {
  const by =
    <Name extends DriveCall>(look: Name): Drive[Name] =>
    (...args: string[]) =>
      ask(look, args) as never;
  return {
    ...{ settings, reserve, medium: by('medium'), label: by('label'), sizeOf: by('sizeOf') },
    ...{ names: by('names'), space: by('space'), writeProtection: by('writeProtection') },
    sync: () => Promise.reject(new Error('a drive that is only asked is not synced')),
  };
}

/** A drive that is queried through a separate process, which is abandoned when it does not answer. */
class AskedDrive {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: unknown) => void }
  >();
  private asked = 0;

  constructor(
    private readonly settings: DriveSettings,
    private readonly limitMs: number,
  ) {
    this.child = fork(fileURLToPath(new URL('./drive-process.js', import.meta.url)), [], {
      stdio: 'ignore',
      execArgv: [],
      serialization: 'advanced',
    });
    this.child.on('message', (answer: Answer) => this.hear(answer));
    const ended = (error?: unknown) => this.fail(error);
    this.child.once('error', ended);
    this.child.once('exit', () => ended());
  }

  drive(): Drive {
    return lookingOnly(this.settings, openDrive(this.settings), (look, args) => this.ask(look, args));
  }

  /** Abandons the process, whatever it is doing. */
  end(): void {
    this.child.kill('SIGKILL');
    if (this.child.connected) this.child.disconnect();
    this.child.unref();
  }

  private ask(look: DriveCall, args: string[]): Promise<unknown> {
    this.asked += 1;
    const question: Question = { id: this.asked, settings: this.settings, look, args };
    const answer = new Promise<unknown>((resolve, reject) => {
      this.waiting.set(question.id, { resolve, reject });
      this.child.send(question, (error) => {
        if (error !== null) reject(error);
      });
    });
    return within(this.settings, this.limitMs, answer, () => this.waiting.delete(question.id));
  }

  private hear({ id, value, failure, error }: Answer): void {
    const waits = this.waiting.get(id);
    this.waiting.delete(id);
    if (failure !== undefined) {
      const { code, message, kind, advice, details } = failure;
      waits?.reject(
        new TapeflowFailure(code, message, {
          kind,
          details,
          ...(advice === undefined ? {} : { advice }),
        }),
      );
    } else if (error !== undefined) {
      const { message, code } = error;
      waits?.reject(Object.assign(new Error(message), code === undefined ? {} : { code }));
    } else waits?.resolve(value);
  }

  private fail(error: unknown): void {
    const why = error === undefined ? english`it ended` : describeError(error);
    for (const { reject } of this.waiting.values())
      reject(new Error(english`the process that asks the drive has failed: ${why}`));
    this.waiting.clear();
  }
}
