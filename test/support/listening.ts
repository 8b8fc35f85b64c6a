import { once } from 'node:events';
import type net from 'node:net';
import type { TestContext } from 'node:test';

/**
 * Lets a server listen on a free port of 127.0.0.1 until the test ends, which cuts its connections.
 *
 * @returns its address, `host:port`.
 */
export async function listening(t: TestContext, server: net.Server): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}
