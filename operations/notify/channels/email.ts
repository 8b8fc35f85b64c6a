import type { ChannelOf } from '../../../config/settings/channels.js';
import { describeError } from '../../../config/failures.js';
import { english } from '../../../messages/sentence.js';
import { headingOf, textOf, type Message } from '../message.js';
import { unsent } from './post.js';
import { secretValue, type SecretPlaces } from './secrets.js';

/** Milliseconds within which a mail server must have answered. */
const answerMs = 15_000;
/** The usual ports: submission, and submission in TLS. */
const ports = { starttls: 587, tls: 465, none: 25 };

/** Sends the message as a mail. Throws a sentence when the server does not take it for every address. */
export async function sendMail(
  { host, port, tls, user, password, from, to }: ChannelOf<'email'>,
  places: SecretPlaces,
  message: Message,
): Promise<void> {
  // Loaded only where it is needed.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    ...{ host, port: port ?? ports[tls], secure: tls === 'tls' },
    ...{ requireTLS: tls === 'starttls', ignoreTLS: tls === 'none' },
    ...{ connectionTimeout: answerMs, greetingTimeout: answerMs, socketTimeout: answerMs },
    ...{ disableFileAccess: true, disableUrlAccess: true },
    ...(user === undefined
      ? {}
      : {
          auth: {
            user: secretValue(user, places),
            pass: password === undefined ? '' : secretValue(password, places),
          },
        }),
  });
  try {
    const { rejected } = await transport.sendMail({
      ...{ from, to, subject: headingOf(message), text: textOf(message) },
      messageId: `<${message.id}@tapeflow>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
    if (rejected.length > 0)
      throw unsent(english`the mail server refuses ${rejected.map((address) => String(address)).join(', ')}`);
  } catch (error) {
    throw unsent(describeError(error));
  } finally {
    transport.close();
  }
}
