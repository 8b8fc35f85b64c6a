import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const keyId = 'test';

/** API keys that a Temporal server takes which reads the public key in `file`: JSON Web Tokens (RFC 7519). */
export class Keys {
  private readonly secret: KeyObject;

  constructor(readonly file: string) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.secret = privateKey;
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: 'RS256' };
    writeFileSync(file, JSON.stringify({ keys: [jwk] }));
  }

  /**
   * A key with rights such as `tapes:write` in a namespace, or `temporal-system:admin` in all.
   *
   * @param seconds how long it is valid; below 0 it has expired.
   */
  issue(rights: readonly string[], seconds = 3600): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = part({ alg: 'RS256', typ: 'JWT', kid: keyId });
    const now = Math.floor(Date.now() / 1000);
    const body = part({ sub: 'tapeflow', permissions: rights, iat: now - 7200, exp: now + seconds });
    const signature = sign('RSA-SHA256', Buffer.from(`${head}.${body}`), this.secret).toString('base64url');
    return `${head}.${body}.${signature}`;
  }
}
