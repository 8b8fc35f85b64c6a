import { randomBytes } from 'node:crypto';
import net from 'node:net';
import type { WorkerReport } from './lease.js';

/** Most characters of a line that a client says. */
const mostSaid = 1000;

/** What clients can ask of a host. */
export interface ControlledHost {
  reports(): WorkerReport[];
  /** Whether it stays when the last client has gone. */
  isSticky(): boolean;
  /** True once it stops: it takes no client any more. */
  isStopping(): boolean;
  /** Stays when the last client has gone. */
  stay(): void;
  stop(): void;
  /** The last client has gone. */
  leftAlone(): void;
}

/**
 * A port on 127.0.0.1 where clients hold a connection for as long as they need the host: a hold ends with them, however
 * they end. They say the host's token first, then `hold`, `leave`, `stay` or `stop`; see `lease.ts`. A host that stops
 * can only be told to stop: who holds it then would begin what nothing goes on with.
 */
export class ControlPort {
  /** What a client must say first. */
  readonly token = randomBytes(16).toString('hex');
  private readonly clients = new Set<net.Socket>();
  /** All connections, including those that only sent a command. */
  private readonly sockets = new Set<net.Socket>();
  private readonly server = net.createServer((socket) => this.connect(socket));

  constructor(private readonly host: ControlledHost) {}

  /** True while a client holds the host. */
  get isHeld(): boolean {
    return this.clients.size > 0;
  }

  /** @returns the number of the port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as net.AddressInfo).port));
    });
  }

  /** Tells every client how the workers are, and whether they stay when it leaves. */
  tellAll(): void {
    for (const client of this.clients) this.tell(client);
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private connect(socket: net.Socket): void {
    let said = '';
    this.sockets.add(socket);
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => {
      said += text;
      for (let end = said.indexOf('\n'); end >= 0; end = said.indexOf('\n')) {
        this.hear(socket, said.slice(0, end));
        said = said.slice(end + 1);
      }
      if (said.length > mostSaid) socket.destroy();
    });
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.letGo(socket);
    });
  }

  private letGo(client: net.Socket): void {
    if (!this.clients.delete(client)) return;
    if (this.isHeld) this.tellAll();
    else this.host.leftAlone();
  }

  private hear(socket: net.Socket, line: string): void {
    const [token, verb] = line.split(' ');
    if (token !== this.token) {
      socket.destroy();
      return;
    }
    if (this.host.isStopping() && (verb === 'hold' || verb === 'stay')) {
      socket.destroy();
    } else if (verb === 'hold') {
      this.clients.add(socket);
      this.tellAll();
    } else if (verb === 'leave') {
      this.letGo(socket);
      socket.end(`${JSON.stringify({ stops: this.host.isStopping() })}\n`);
    } else if (verb === 'stay') {
      this.host.stay();
      this.tellAll();
      socket.write('{}\n');
    } else if (verb === 'stop') {
      this.host.stop();
    }
  }

  private tell(client: net.Socket): void {
    const stays = this.host.isSticky() || this.clients.size > 1;
    client.write(`${JSON.stringify({ workers: this.host.reports(), stays })}\n`);
  }
}
