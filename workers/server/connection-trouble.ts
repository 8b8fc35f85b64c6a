import net from 'node:net';
import tls from 'node:tls';
import type { ConnectionOptions } from '@temporalio/client';
import { TapeflowFailure, describeError, systemErrorCode } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';
import { isRefusal } from './grpc-status.js';
import type { TemporalTarget } from './temporal-target.js';

/** Milliseconds for a look at a server that did not answer, and for what it says right after TLS has begun. */
const lookMs = 3000;
const firstWordsMs = 1000;
/** The port of Temporal's clients where an address has none. */
const defaultPort = 7233;

type TLSConfig = Exclude<ConnectionOptions['tls'], boolean | null | undefined>;

/** What is wrong with a connection, as a part of a sentence, and what to do about it. */
interface Finding {
  why: string;
  advice?: string;
}

/** The failure for a server that does not answer, or that refuses us: it is looked at once more, to see why. */
export async function unreachable(target: TemporalTarget, error: unknown): Promise<TapeflowFailure> {
  if (isRefusal(error)) return refused(target, error);
  if (target.embedded)
    return new TapeflowFailure(
      'NoTemporalServer',
      english`The embedded Temporal server at ${target.address} does not answer: ${describeError(error)}.`,
      { advice: english`Run the command again; \`tapeflow doctor\` says more.`, cause: error },
    );
  const found = await lookAt(target);
  return new TapeflowFailure(
    'NoTemporalServer',
    english`The Temporal server at ${target.address} does not answer: ${found?.why ?? describeError(error)}.`,
    {
      advice:
        found?.advice ??
        english`Check TEMPORAL_ADDRESS, TLS and API key, or leave TEMPORAL_ADDRESS out to use the embedded
          server.`,
      cause: error,
    },
  );
}

/** The failure for a server that answers, but does not let us in. */
export function refused({ address, namespace, connection }: TemporalTarget, error: unknown): TapeflowFailure {
  const { apiKey, tls: options } = connection;
  const hasCertificate = typeof options === 'object' && options?.clientCertPair !== undefined;
  const [what, advice] =
    apiKey !== undefined
      ? [english`the API key`, english`Renew TEMPORAL_API_KEY, or the api_key of the profile`]
      : hasCertificate
        ? [english`the client certificate`, english`Have it let in`]
        : [
            english`whoever brings neither an API key nor a client certificate`,
            english`Set TEMPORAL_API_KEY, or TEMPORAL_TLS_…`,
          ];
  return new TapeflowFailure(
    'ServerRefuses',
    english`The Temporal server at ${address} refuses ${what}: ${describeError(error)}.`,
    {
      advice: english`${advice}; it must have the right to write in the namespace ${namespace}.`,
      cause: error,
    },
  );
}

/** Looks at a server as its clients would, without gRPC; undefined when nothing is wrong up to there. */
async function lookAt({ address, connection }: TemporalTarget): Promise<Finding | undefined> {
  const at = placeOf(address);
  const options = connection.tls;
  if (options === undefined || options === null || options === false) {
    const plain = await opens(at);
    if (plain !== undefined) return plain;
    const secret = await handshake(at, { rejectUnauthorized: false });
    if (secret !== undefined) return undefined;
    return {
      why: english`it speaks TLS only`,
      advice: english`Set TEMPORAL_TLS=true, with what else it needs.`,
    };
  }
  return handshake(at, tlsOptions(at.host, options === true ? {} : options));
}

function tlsOptions(host: string, { serverNameOverride, ...files }: TLSConfig): tls.ConnectionOptions {
  const name = serverNameOverride ?? host;
  const { serverRootCACertificate: ca, clientCertPair: pair } = files;
  return {
    ...(net.isIP(name) === 0 ? { servername: name } : {}),
    ...(ca == null ? {} : { ca: Buffer.from(ca) }),
    ...(pair == null ? {} : { cert: Buffer.from(pair.crt), key: Buffer.from(pair.key) }),
    checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
  };
}

interface Place {
  host: string;
  port: number;
}

function placeOf(address: string): Place {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(address) ?? [];
  return { host: bracketed ?? plain ?? address, port: port === undefined ? defaultPort : Number(port) };
}

/** Undefined when somebody takes the connection. */
function opens(at: Place): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ ...at, timeout: lookMs });
    const end = (found?: Finding) => {
      socket.destroy();
      resolve(found);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(silence));
    socket.once('error', (error) => end(findingOf(error)));
  });
}

/** Undefined when TLS begins, and the server does not end it at once: with TLS 1.3 it refuses a client only then. */
function handshake(at: Place, options: tls.ConnectionOptions): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    const socket = tls.connect({ ...at, ALPNProtocols: ['h2'], timeout: lookMs, ...options });
    const end = (found?: Finding) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(found);
    };
    let timer: NodeJS.Timeout | undefined;
    socket.once('secureConnect', () => (timer = setTimeout(end, firstWordsMs)));
    socket.once('data', () => end());
    socket.once('timeout', () => end(silence));
    socket.once('error', (error: Error) => end(findingOf(error)));
    socket.once('close', () => end({ why: english`it closes the connection` }));
  });
}

const silence: Finding = {
  why: english`nobody answers there`,
  advice: english`Check TEMPORAL_ADDRESS, and firewalls.`,
};

const unknownAuthority: Finding = {
  why: english`its certificate is of a CA that is not known here`,
  advice: english`Name the certificate of that CA in TEMPORAL_TLS_SERVER_CA_CERT_PATH.`,
};

/** By the codes of OpenSSL and Node; `nodejs.org/api/errors.html` and `openssl-verification-options(1)` have them. */
const findings: Record<string, Finding> = {
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED: {
    why: english`its certificate has expired`,
    advice: english`Have the server's certificate renewed.`,
  },
  CERT_NOT_YET_VALID: {
    why: english`its certificate is not valid yet`,
    advice: english`Check the clocks of this machine and of the server's.`,
  },
  ECONNREFUSED: {
    why: english`nobody listens there (ECONNREFUSED)`,
    advice: english`Start the server, or correct TEMPORAL_ADDRESS.`,
  },
  ENOTFOUND: {
    why: english`there is no host of that name (ENOTFOUND)`,
    advice: english`Correct TEMPORAL_ADDRESS.`,
  },
};

function findingOf(error: Error): Finding {
  const code = systemErrorCode(error) ?? '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names =
      'cert' in error ? (error.cert as tls.PeerCertificate | undefined)?.subjectaltname : undefined;
    return {
      why: english`its certificate is for another name (${names ?? english`it has none`})`,
      advice: english`Correct TEMPORAL_ADDRESS, or name one of these in TEMPORAL_TLS_SERVER_NAME.`,
    };
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code))
    return {
      why: english`it does not speak TLS`,
      advice: english`Leave TLS out: TEMPORAL_TLS=false, also where an API key is set.`,
    };
  if (/ALERT/.test(code))
    return {
      why: english`it refuses the client certificate, or wants one (${code})`,
      advice: english`Check TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.`,
    };
  return findings[code] ?? { why: describeError(error) };
}
