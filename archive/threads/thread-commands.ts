import type { MessagePort } from 'node:worker_threads';

/** What a worker thread was told and has not taken yet, in order. Returns what waits for the next of it. */
export function threadCommands<Command>(port: MessagePort): () => Promise<Command> {
  const commands: Command[] = [];
  let wake = (): void => undefined;
  port.on('message', (command: Command) => {
    commands.push(command);
    wake();
  });
  return async () => {
    for (;;) {
      const command = commands.shift();
      if (command !== undefined) return command;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
}
