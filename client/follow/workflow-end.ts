import { setHandle, type Server } from '../server.js';

/**
 * Resolves when the workflow of a set has ended, so that its end is told at once; also when the server cannot say so
 * any more. What has become of the set, the catalog alone says.
 */
export async function workflowEnd(server: Server, setId: string): Promise<void> {
  try {
    await setHandle(server, setId).result();
  } catch {
    // The set has failed, or the server is away.
  }
}
