import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientConfigProfile, ConfigDataSource } from '@temporalio/envconfig';
import { TapeflowFailure, describeError, usageFailure } from '../../config/failures.js';
import type { ProfileFile } from './profile-file.js';

/** The names of one of the files of TLS: the variable's, without `_PATH` or `_DATA`, the profile's, and for people. */
interface Named {
  variable: string;
  key: string;
  words: string;
}

const certificate: Named = {
  variable: 'TEMPORAL_TLS_CLIENT_CERT',
  key: 'client_cert',
  words: 'client certificate',
};
const privateKey: Named = { variable: 'TEMPORAL_TLS_CLIENT_KEY', key: 'client_key', words: 'client key' };
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
    const [there, missing] = clientCert === undefined ? [privateKey, certificate] : [certificate, privateKey];
    throw wrongTls(
      `For TLS there is a ${there.words}, but no ${missing.words}.`,
      `Set ${missing.variable}_PATH too.`,
    );
  }
  const cert = read(clientCert, certificate);
  const key = read(clientKey, privateKey);
  const own = certificateIn(cert.pem, cert.where);
  if (!own.checkPrivateKey(keyIn(key.pem, key.where)))
    throw wrongTls(`${key.where} is not the key of ${lower(cert.where)}.`);
  if (Date.parse(own.validTo) < Date.now())
    throw new TapeflowFailure('WrongTls', `${cert.where} has expired: it was valid until ${own.validTo}.`, {
      advice: 'Have it renewed.',
    });
}

/** The PEM text, and the file with what names it, as the beginning of a sentence. */
function contentOf(
  source: ConfigDataSource,
  { variable, key, words }: Named,
  variables: Record<string, string>,
  file: ProfileFile,
): { pem: Buffer; where: string } {
  const kind = 'path' in source ? 'path' : 'data';
  const name = `${variable}_${kind.toUpperCase()}`;
  const from = variables[name] === undefined ? `${key}_${kind} of profile ${file.name}` : name;
  const where = `The ${words}${'path' in source ? ` ${source.path}` : ''} (${from})`;
  if (!('path' in source)) return { pem: Buffer.from(source.data), where };
  try {
    return { pem: readFileSync(source.path), where };
  } catch (error) {
    throw wrongTls(`${where} cannot be read: ${describeError(error)}.`);
  }
}

function certificateIn(pem: Buffer, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw wrongTls(`${where} has no certificate in it: it must be PEM, -----BEGIN CERTIFICATE-----.`);
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
        ? `${where} has a passphrase: a worker has nobody who types it.`
        : `${where} has no private key in it: it must be PEM, -----BEGIN PRIVATE KEY-----.`,
    );
  }
}

function wrongTls(message: string, advice?: string): TapeflowFailure {
  return usageFailure('WrongTls', message, advice);
}

function lower(sentence: string): string {
  return sentence.replace(/^T/, 't');
}
