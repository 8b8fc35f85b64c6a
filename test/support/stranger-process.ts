// The process of `Stranger`.
import { readFileSync } from 'node:fs';
import { Connection } from '@temporalio/client';
import type { StrangerCall } from './stranger.js';

const connection = await Connection.connect({ address: process.argv[2] ?? '' });
const { workflowService } = connection;
const within = <Result>(run: () => Promise<Result>) => connection.withDeadline(Date.now() + 30_000, run);
process.on('message', (asked: StrangerCall & { request: object }) => {
  const answer = async () => {
    if ('read' in asked) return readFileSync(asked.read, 'utf8');
    const call = workflowService[asked.method] as unknown as (request: object) => Promise<object>;
    // Plain objects, for the way back.
    return JSON.parse(
      JSON.stringify(await within(() => call.call(workflowService, asked.request))),
    ) as unknown;
  };
  void answer().then(
    (result) => process.send?.({ answer: result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ answer: 'here' });
