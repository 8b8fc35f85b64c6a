import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import tls from 'node:tls';
import { listening } from './listening.js';

/** For a test's `skip`. */
export const needsOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'needs openssl';

/** The files of a certificate and its key, PEM. */
export interface Pair {
  cert: string;
  key: string;
}

/** Certificates of a CA that nobody knows. */
export class Certificates {
  readonly ca: Pair;

  constructor(private readonly folder: string) {
    this.ca = this.files('ca');
    this.openssl('req', '-x509', ...newKey, ...['-subj', '/CN=test CA', '-days', '2'], ...this.out(this.ca));
  }

  /** One for 127.0.0.1, or for another name. */
  issue(name: string, { days = 2, subject = 'IP:127.0.0.1' } = {}): Pair {
    const pair = this.files(name);
    const request = path.join(this.folder, `${name}.csr`);
    const extensions = path.join(this.folder, `${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${subject}\n`);
    this.openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', request);
    this.openssl(
      ...['x509', '-req', '-in', request, '-CA', this.ca.cert, '-CAkey', this.ca.key, '-set_serial', '7'],
      ...['-days', String(days), '-extfile', extensions, '-out', pair.cert],
    );
    return pair;
  }

  private files(name: string): Pair {
    return { cert: path.join(this.folder, `${name}.pem`), key: path.join(this.folder, `${name}.key`) };
  }

  private out({ cert, key }: Pair): string[] {
    return ['-keyout', key, '-out', cert];
  }

  private openssl(...args: string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * TLS in front of a server, which asks for a client's certificate of `ca` if there is one.
 *
 * @returns its address on 127.0.0.1.
 */
export async function tlsInFrontOf(
  t: TestContext,
  address: string,
  { cert, key }: Pair,
  ca?: string,
): Promise<string> {
  const at = address.lastIndexOf(':');
  const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
  const server = tls.createServer(
    {
      cert: readFileSync(cert),
      key: readFileSync(key),
      ALPNProtocols: ['h2'],
      ...(ca === undefined ? {} : { ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true }),
    },
    (near) => {
      const far = net.connect(target);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
    },
  );
  server.on('tlsClientError', () => undefined);
  return listening(t, server);
}
