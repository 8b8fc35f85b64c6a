import { createHmac } from 'node:crypto';

/** The secrets that are derived from a token: none of them tells the token, or another one. */
export interface PageSecrets {
  token: string;
  /** The value of the cookie. */
  cookie: string;
  /** What each form sends with it. */
  form: string;
  /**
   * The folder of all addresses, with a slash at both ends. A browser sends a cookie to every port of a machine: one
   * that counts for this path only does not reach another user's server on 127.0.0.1.
   */
  base: string;
}

export function secretsOf(token: string): PageSecrets {
  const derived = (what: string) => createHmac('sha256', token).update(what).digest('hex');
  return {
    token,
    cookie: derived('cookie'),
    form: derived('form'),
    base: `/${derived('path').slice(0, 16)}/`,
  };
}
