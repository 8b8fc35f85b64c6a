import http from 'node:http';
import type { TestContext } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { listening } from './listening.js';

/** A request that a receiver has got. */
export interface Received {
  url: string;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** A receiver of webhooks, until the test ends. */
export interface Receiver {
  url: string;
  /** Every request, also those that it refused. */
  received: Received[];
  /** Those that it has taken. */
  taken: Received[];
  /** The answer to each request: a status and a text. */
  answer: () => [number, string];
}

/** Starts a receiver that takes everything. */
export async function startReceiver(t: TestContext): Promise<Receiver> {
  const receiver: Receiver = { url: '', received: [], taken: [], answer: () => [200, 'ok'] };
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const got = { url: request.url ?? '', headers: request.headers, body };
      const [status, text] = receiver.answer();
      receiver.received.push(got);
      if (status < 300) receiver.taken.push(got);
      response.writeHead(status).end(text);
    });
  });
  receiver.url = `http://${await listening(t, server)}`;
  return receiver;
}

/** A mail server, and the mails that it has taken. */
export interface MailServer {
  port: number;
  mails: { from: string; to: string[]; text: string }[];
}

/** Starts a mail server that takes mails of a user who has given the password; `plain`: it offers no encryption. */
export async function startMailServer(t: TestContext, password: string, plain = false): Promise<MailServer> {
  const mails: MailServer['mails'] = [];
  const server = new SMTPServer({
    authOptional: false,
    allowInsecureAuth: true,
    disabledCommands: plain ? ['STARTTLS'] : [],
    onAuth: (auth, _session, done) =>
      auth.password === password ? done(null, { user: auth.username }) : done(new Error('wrong password')),
    onData: (stream, session, done) => {
      let text = '';
      stream.setEncoding('utf8');
      stream.on('data', (part: string) => (text += part));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        mails.push({ from, to: rcptTo.map(({ address }) => address), text });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const address = server.server.address();
  return { port: address !== null && typeof address === 'object' ? address.port : 0, mails };
}
