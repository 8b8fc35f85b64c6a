import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientConfigProfile, ConfigDataSource } from '@temporalio/envconfig';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';
import type { ProfileFile } from './profile-file.js';

/** The names of one of the files of TLS: the variable's, without `_PATH` or `_DATA`, the profile's, and for people. */
interface Named {
  variable: string;
  key: string;
  words: 'client certificate' | 'client key' | "certificate of the server's CA";
}

const certificate: Named = {
  variable: 'TEMPORAL_TLS_CLIENT_CERT',
  key: 'client_cert',
  words: 'client certificate',
};
const privateKey: Named = {
  variable: 'TEMPORAL_TLS_CLIENT_KEY',
  key: 'client_key',
  words: 'client key',
};
const authority: Named = {
  variable: 'TEMPORAL_TLS_SERVER_CA_CERT',
  key: 'server_ca_cert',
  words: "certificate of the server's CA",
};

/**
 * Reads the certificates and the key that a profile names, and throws a usage failure that says what is wrong with one:
 * the connection itself would only say that nobody answers.
 */
export function requireSoundTls(
  { tls }: ClientConfigProfile,
  variables: Record<string, string>,
  file: ProfileFile,
): void {
  if (tls === undefined || tls.disabled === true) return;
  const read = (source: ConfigDataSource, named: Named) => contentOf(source, named, variables, file);
  if (tls.serverCACert !== undefined) {
    const { pem, where } = read(tls.serverCACert, authority);
    certificateIn(pem, where);
  }
  const { clientCert, clientKey } = tls;
  if (clientCert === undefined && clientKey === undefined) return;
  if (clientCert === undefined || clientKey === undefined) {
    throw clientCert === undefined
      ? wrongTls(
          english`For TLS there is a client key, but no client certificate.`,
          english`Set ${certificate.variable}_PATH too.`,
        )
      : wrongTls(
          english`For TLS there is a client certificate, but no client key.`,
          english`Set ${privateKey.variable}_PATH too.`,
        );
  }
  const cert = read(clientCert, certificate);
  const key = read(clientKey, privateKey);
  const own = certificateIn(cert.pem, cert.where);
  if (!own.checkPrivateKey(keyIn(key.pem, key.where)))
    throw wrongTls(english`${key.where} is not the key of the client certificate${cert.rest}.`);
  if (Date.parse(own.validTo) < Date.now())
    throw new TapeflowFailure(
      'WrongTls',
      english`${cert.where} has expired: it was valid until ${own.validTo}.`,
      {
        advice: english`Have it renewed.`,
      },
    );
}

/** The PEM text, and the file with what names it, as the beginning of a sentence. */
function contentOf(
  source: ConfigDataSource,
  { variable, key, words }: Named,
  variables: Record<string, string>,
  file: ProfileFile,
): { pem: Buffer; where: string; rest: string } {
  const kind = 'path' in source ? 'path' : 'data';
  const name = `${variable}_${kind.toUpperCase()}`;
  const from = variables[name] === undefined ? english`${key}_${kind} of profile ${file.name}` : name;
  const rest = 'path' in source ? ` ${source.path} (${from})` : ` (${from})`;
  const where = whereText(words, rest);
  if (!('path' in source)) return { pem: Buffer.from(source.data), where, rest };
  try {
    return { pem: readFileSync(source.path), where, rest };
  } catch (error) {
    throw wrongTls(english`${where} cannot be read: ${describeError(error)}.`);
  }
}

function certificateIn(pem: Buffer, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw wrongTls(english`${where} has no certificate in it: it must be PEM, -----BEGIN CERTIFICATE-----.`);
  }
}

function keyIn(pem: Buffer, where: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // Written in the clear in both formats of such a key: RFC 7468, section 11, and OpenSSL's older one.
    const isLocked = pem.includes('ENCRYPTED');
    throw wrongTls(
      isLocked
        ? english`${where} has a passphrase: a worker has nobody who types it.`
        : english`${where} has no private key in it: it must be PEM, -----BEGIN PRIVATE KEY-----.`,
    );
  }
}

function wrongTls(message: string, advice?: string): TapeflowFailure {
  return usageFailure('WrongTls', message, advice);
}

function whereText(words: Named['words'], rest: string): string {
  switch (words) {
    case 'client certificate':
      return english`The client certificate${rest}`;
    case 'client key':
      return english`The client key${rest}`;
    case "certificate of the server's CA":
      return english`The certificate of the server's CA${rest}`;
  }
}
