import os from 'node:os';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Client, ConnectionOptions } from '@temporalio/client';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { readHostFile } from '../../embedded/host-file.js';

/** Where the Temporal server is, and how to talk to it. */
export interface TemporalTarget {
  address: string;
  namespace: string;
  connection: ConnectionOptions;
  embedded: boolean;
}

/** A server that this process is connected to. */
export interface TemporalServer {
  target: TemporalTarget;
  /** Short id of this installation, part of all our names on the server. */
  installation: string;
  client: Client;
}

/** Milliseconds until a connection attempt is given up. */
const connectTimeoutMs = 10_000;

/** The identity of one of our processes at the server, for people; `role` is what it does there. */
export function identityOf(installation: string, role: string): string {
  return `tapeflow-${installation} ${role} at ${os.hostname()}, pid ${process.pid}`;
}

/** True when the settings name your own server, by address or by a profile of `@temporalio/envconfig`. */
export function usesOwnServer(settings: Settings, env: NodeJS.ProcessEnv): boolean {
  return settings.TEMPORAL_ADDRESS !== undefined || (env['TEMPORAL_PROFILE'] ?? '') !== '';
}

/** Your own server from the settings. TLS, API key and headers are read by `@temporalio/envconfig`. */
export function ownServer(settings: Settings, env: NodeJS.ProcessEnv): TemporalTarget {
  const overrides: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined) overrides[name] = value;
  if (settings.TEMPORAL_ADDRESS !== undefined) overrides['TEMPORAL_ADDRESS'] = settings.TEMPORAL_ADDRESS;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: overrides });
    const address = connectionOptions.address ?? settings.TEMPORAL_ADDRESS ?? '127.0.0.1:7233';
    return {
      address,
      namespace: namespace ?? settings.TEMPORAL_NAMESPACE,
      connection: { ...connectionOptions, address, connectTimeout: connectTimeoutMs },
      embedded: false,
    };
  } catch (error) {
    throw usageFailure(
      'WrongTemporalConfig',
      `The Temporal connection settings are wrong: ${describeError(error)}.`,
    );
  }
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

/** The server that a command or worker should use; undefined when it is the embedded one and not running. */
export function findTarget(settings: Settings, env: NodeJS.ProcessEnv): TemporalTarget | undefined {
  if (usesOwnServer(settings, env)) return ownServer(settings, env);
  const given = env['TAPEFLOW_EMBEDDED_ADDRESS'];
  if (given !== undefined) return embeddedServer(given);
  const host = readHostFile(settings.TAPEFLOW_DATA_DIR);
  return host === undefined ? undefined : embeddedServer(host.address);
}

/** The failure for a server that does not answer. */
export function unreachable(target: TemporalTarget, error: unknown): TapeflowFailure {
  const where = target.embedded ? 'The embedded Temporal server' : 'The Temporal server';
  return new TapeflowFailure(
    'NoTemporalServer',
    `${where} at ${target.address} does not answer: ${describeError(error)}.`,
    {
      advice: target.embedded
        ? 'Run the command again; `tapeflow doctor` says more.'
        : 'Check TEMPORAL_ADDRESS, TLS and API key, or leave TEMPORAL_ADDRESS out to use the embedded server.',
      cause: error,
    },
  );
}
