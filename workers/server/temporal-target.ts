import type { Client, ConnectionOptions } from '@temporalio/client';

/** Where the Temporal server is, and how to talk to it. */
export interface TemporalTarget {
  address: string;
  namespace: string;
  connection: ConnectionOptions;
  embedded: boolean;
  /** How it is reached, for people, such as `profile prod of /etc/temporal.toml, TLS`; not of the embedded server. */
  access?: string;
}

/** A server that this process is connected to. */
export interface TemporalServer {
  target: TemporalTarget;
  /** Short id of this installation, part of all our names on the server. */
  installation: string;
  client: Client;
}

/** Milliseconds until a connection attempt is given up. */
export const connectTimeoutMs = 10_000;

/** The identity of one of our processes at the server, for people; `role` is what it does on that host. */
export function identityOf(installation: string, role: string, host: string): string {
  return `tapeflow-${installation} ${role} at ${host}, pid ${process.pid}`;
}

/** The embedded server at an address. */
export function embeddedServer(address: string): TemporalTarget {
  return {
    address,
    namespace: 'default',
    connection: { address, connectTimeout: connectTimeoutMs },
    embedded: true,
  };
}
