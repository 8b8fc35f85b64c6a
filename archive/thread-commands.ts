import type { MessagePort } from 'node:worker_threads';

/** Queues a worker thread's incoming commands. Returns a function that waits for the next one. */
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
