import { t } from '../../messages/shown.js';
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig';
import type { ClientConfigProfile } from '@temporalio/envconfig';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { readHostFile } from '../../embedded/host-file.js';
import { english } from '../../messages/sentence.js';
import { readProfiles, type ProfileFile } from './profile-file.js';
import { connectTimeoutMs, embeddedServer, type TemporalTarget } from './temporal-target.js';
import { requireSoundTls } from './tls-files.js';

/** Where Temporal's own tools look for a server of which nothing else is known. */
const defaultAddress = '127.0.0.1:7233';

type ServerSettings = Pick<
  Settings,
  'TEMPORAL_ADDRESS' | 'TEMPORAL_NAMESPACE' | 'TEMPORAL_PROFILE' | 'origins'
>;

/** True when the settings name your own server, by address or by a profile of `@temporalio/envconfig`. */
export function usesOwnServer({
  TEMPORAL_ADDRESS: address,
  TEMPORAL_PROFILE: profile,
}: Pick<Settings, 'TEMPORAL_ADDRESS' | 'TEMPORAL_PROFILE'>): boolean {
  return address !== undefined || profile !== undefined;
}

/**
 * Your own server: from the environment, then `tapeflow.config.json`, then a profile of Temporal's own file. TLS, API
 * key and headers are as in `@temporalio/envconfig`. Throws a usage failure that says which of them is wrong.
 */
export function ownServer(settings: ServerSettings, env: NodeJS.ProcessEnv): TemporalTarget {
  const variables = temporalVariables(settings, env);
  const file = readProfiles(variables, settings.TEMPORAL_PROFILE);
  const profile = profileFrom(variables, file);
  requireSoundTls(profile, variables, file);
  const { connectionOptions, namespace } = toClientOptions(profile);
  const address = connectionOptions.address ?? defaultAddress;
  return {
    address,
    namespace: namespace ?? settings.TEMPORAL_NAMESPACE,
    connection: { ...connectionOptions, address, connectTimeout: connectTimeoutMs },
    embedded: false,
    access: accessOf(profile, file, connectionOptions.tls),
  };
}

/**
 * The variables as `@temporalio/envconfig` should see them. An empty one is one that is not set, as in every other
 * setting; only of a header (`TEMPORAL_GRPC_META_…`) an empty value means something there: it is left out.
 */
function temporalVariables(settings: ServerSettings, env: NodeJS.ProcessEnv): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && (value !== '' || name.startsWith('TEMPORAL_GRPC_META_')))
      variables[name] = value;
  for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'TEMPORAL_PROFILE'] as const) {
    const value = settings[name];
    if (value !== undefined && settings.origins[name] !== 'default') variables[name] = value;
  }
  return variables;
}

function profileFrom(variables: Record<string, string>, { text, name }: ProfileFile): ClientConfigProfile {
  try {
    return loadClientConfigProfile({
      overrideEnvVars: variables,
      ...(text === undefined ? { disableFile: true } : { configSource: { data: text }, profile: name }),
    });
  } catch (error) {
    throw usageFailure(
      'WrongTemporalConfig',
      english`The settings of the connection to Temporal are wrong: ${describeError(error)}.`,
    );
  }
}

function accessOf(
  { apiKey, tls: files }: ClientConfigProfile,
  { text, name, file }: ProfileFile,
  tls: unknown,
): string {
  const hasTls = tls !== undefined && tls !== false;
  return [
    ...(text === undefined ? [] : [t`profile ${name} of ${file ?? ''}`]),
    hasTls ? (files?.clientCert === undefined ? 'TLS' : t`TLS with a client certificate`) : t`no TLS`,
    ...(apiKey === undefined ? [] : [t`an API key`]),
  ].join(', ');
}

/** Variables that only concern your own server. */
const ownServerVariables = /^TEMPORAL_(NAMESPACE|API_KEY|CONFIG_FILE|TLS|TLS_\w+|GRPC_META_\w+)$/;

/** Those that are set although the embedded server is used, which has no use for them. */
export function unusedVariables(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((name) => ownServerVariables.test(name) && (env[name] ?? '') !== '');
}

/** The server that a worker should use. Throws when it is the embedded one and not running. */
export function serverForWorker(settings: Settings, env: NodeJS.ProcessEnv): TemporalTarget {
  if (usesOwnServer(settings)) return ownServer(settings, env);
  const given = env['TAPEFLOW_EMBEDDED_ADDRESS'];
  if (given !== undefined) return embeddedServer(given);
  const host = readHostFile(settings.TAPEFLOW_DATA_DIR);
  if (host !== undefined) return embeddedServer(host.address);
  throw new TapeflowFailure('NoTemporalServer', english`No Temporal server runs for this data folder.`, {
    advice: english`Run \`tapeflow up\`, which brings server and workers, or set TEMPORAL_ADDRESS.`,
  });
}
