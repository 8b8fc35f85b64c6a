import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { english } from '../messages/sentence.js';
import { systemErrorCode, TapeflowFailure } from './failures.js';

/**
 * The file that a thread runs, as it was when this process loaded its own: a thread of another version than its process
 * would take what it is sent for something else. In the bundled program the file holds all that the thread runs of
 * ours, so that it changes with any of it.
 */
export class ThreadProgram {
  private readonly began: string | undefined;

  constructor(private readonly url: URL) {
    this.began = this.hash();
  }

  /** Starts a thread. Throws `ProgramReplaced` when the file is not what it was. */
  start(options: WorkerOptions): Worker {
    if (this.began === undefined || this.hash() !== this.began) throw programReplaced();
    return new Worker(this.url, options);
  }

  /** SHA-256 of the file, of up to a megabyte; undefined where it is not there. */
  private hash(): string | undefined {
    try {
      return createHash('sha256').update(readFileSync(this.url)).digest('hex');
    } catch {
      return undefined;
    }
  }
}

function programReplaced(): TapeflowFailure {
  return new TapeflowFailure('ProgramReplaced', english`The program was replaced while this worker runs.`, {
    kind: 'transient',
    advice: english`Stop the workers and start them again: what waits then goes on.`,
  });
}

/** The sentence for an error of a program whose files were replaced while it runs; undefined for any other error. */
export function replacedReason(error: unknown): string | undefined {
  if (error instanceof TapeflowFailure) return error.code === 'ProgramReplaced' ? error.sentence : undefined;
  const code = systemErrorCode(error);
  // What is loaded only when it is used.
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
    ? programReplaced().sentence
    : undefined;
}
