import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { TapeflowFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';

/** Bytes of a socket's path that every system takes: macOS has room for 104 with the NUL. */
const longestPath = 103;
/** Milliseconds within which another worker of this machine answers. */
const answerMs = 3000;

/** Where the worker of a role publishes its own figures, for the worker that answers Prometheus. */
export function socketOf(dataDir: string, role: string): string {
  const id = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);
  if (process.platform === 'win32') return `\\\\.\\pipe\\tapeflow-metrics-${id(`${dataDir}\0${role}`)}`;
  return path.join(dataDir, 'metrics', id(role));
}

/** Publishes a text there, until the server is closed. Throws when the path is too long. */
export async function publishAt(socket: string, text: () => Promise<string>): Promise<http.Server> {
  if (process.platform !== 'win32') {
    if (Buffer.byteLength(socket) > longestPath)
      throw new TapeflowFailure('PathTooLong', english`The path ${socket} is too long for a socket.`, {
        advice: english`Give TAPEFLOW_DATA_DIR a shorter one.`,
      });
    mkdirSync(path.dirname(socket), { recursive: true, mode: 0o700 });
    // Of a worker that was killed.
    rmSync(socket, { force: true });
  }
  return listening(textServer(text), { path: socket });
}

/** A server that answers `/metrics`. */
export function textServer(text: () => Promise<string>): http.Server {
  return http.createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('The figures are at /metrics.\n');
      return;
    }
    text().then(
      (body) =>
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
      () => response.writeHead(500).end(),
    );
  });
}

/** Resolves when the server listens; it does not keep the process alive. */
export function listening(
  server: http.Server,
  where: { path: string } | { host: string; port: number },
): Promise<http.Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve(server.unref());
    });
  });
}

/** What is published at a socket, or at a port of 127.0.0.1; undefined when nobody answers in time. */
export function published(from: { socketPath: string } | { port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const where = 'port' in from ? { host: '127.0.0.1', port: from.port } : from;
    const signal = AbortSignal.timeout(answerMs);
    const request = http.get({ ...where, path: '/metrics', agent: false, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(response.statusCode === 200 ? text : undefined));
      response.on('error', () => resolve(undefined));
    });
    request.on('error', () => resolve(undefined));
  });
}
