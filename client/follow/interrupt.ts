import { exitCodes } from '../exit-codes.js';

/** Code of the failure of a command that was interrupted. */
export const interruptedCode = 'Interrupted';

/** A Ctrl-C, or a signal that means the same, while a command follows something. */
export interface Interrupt {
  readonly happened: boolean;
  readonly promise: Promise<void>;
  end(): void;
}

/** The first Ctrl-C stops following; the second ends the process at once. */
export function onInterrupt(): Interrupt {
  let happened = false;
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  const hear = () => {
    if (happened) process.exit(exitCodes.interrupted);
    happened = true;
    resolve();
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
  process.on('SIGHUP', hear);
  return {
    get happened() {
      return happened;
    },
    promise,
    end() {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeListener(signal, hear);
    },
  };
}
