import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { parseDuration } from '../durations.js';
import { parseSize } from '../sizes.js';
import { type KeepCounts, keepRules, type Retention } from './retention.js';

const sizeWanted = english`must be a size such as 12GiB, 500MB or 1048576`;

/** A whole number of bytes from `least` on, written as `12GiB`, `500MB` or plain bytes. */
export const sizeFrom = (least: 0 | 1) =>
  z.union([z.string(), z.number()], { error: sizeWanted }).transform((value, context) => {
    const bytes = parseSize(String(value));
    if (bytes !== undefined && bytes >= least) return bytes;
    context.issues.push({
      code: 'custom',
      message: sizeWanted,
      input: value,
    });
    return z.NEVER;
  });

/** A whole number of bytes above 0. */
export const size = sizeFrom(1);

/** A whole number between two, both included. */
export const whole = (least: number, most: number) =>
  z.coerce
    .number({ error: english`must be a whole number from ${least} to ${most}` })
    .int(english`must be a whole number from ${least} to ${most}`)
    .min(least, english`must be a whole number from ${least} to ${most}`)
    .max(most, english`must be a whole number from ${least} to ${most}`);

/** Seconds above 0, a year at most. */
export const seconds = z.coerce
  .number({ error: english`must be a number of seconds above 0` })
  .positive(english`must be a number of seconds above 0`)
  .max(31_536_000, english`must be at most a year in seconds`);

const durationWanted = english`must be a duration such as 36h, 90d, 12w or 1y, or forever`;

/** How long the sets of a pool are kept: seconds; null for `forever`. */
export const retention = z
  .union([z.string(), z.number()], { error: durationWanted })
  .transform((value, context): Retention => {
    if (value === 'forever') return null;
    const seconds = parseDuration(String(value));
    if (seconds !== undefined && seconds > 0) return seconds;
    context.issues.push({
      code: 'custom',
      message: durationWanted,
      input: value,
    });
    return z.NEVER;
  });

const countsWanted = english`must be counts such as "last 3, daily 7, weekly 4, monthly 12, yearly",
  each once; one without a number keeps all`;

/** What is kept by count, as text: `daily 7, weekly 4, monthly 12, yearly`; each also as `keep-daily 7`. */
export const keepCounts = z.string({ error: countsWanted }).transform((value, context): KeepCounts => {
  const counts: KeepCounts = {};
  for (const part of value.split(',')) {
    const [, name, number] = /^\s*(?:keep-)?([a-z]+)(?:\s+([1-9]\d{0,4}))?\s*$/.exec(part) ?? [];
    const rule = keepRules.find((known) => known === name);
    if (rule === undefined || counts[rule] !== undefined) {
      context.issues.push({ code: 'custom', message: countsWanted, input: value });
      return z.NEVER;
    }
    counts[rule] = number === undefined ? null : Number(number);
  }
  return counts;
});

/** True or false, also as `yes`, `on`, `1` and their opposites. */
export const flag = z
  .union([z.boolean(), z.string()], { error: english`must be true or false` })
  .transform((value, context) => {
    const text = String(value).toLowerCase();
    if (['true', '1', 'yes', 'on'].includes(text)) return true;
    if (['false', '0', 'no', 'off', ''].includes(text)) return false;
    context.issues.push({ code: 'custom', message: english`must be true or false`, input: value });
    return z.NEVER;
  });

const recipientsWanted = english`must be recipients of age, as age-keygen shows them (age1…), with commas
  between them`;

/** One or more recipients of age: an array, or a text with commas or spaces between them. */
export const recipients = z
  .union([z.string(), z.array(z.string())], { error: recipientsWanted })
  .transform((value, context) => {
    const all = typeof value === 'string' ? value.split(/[\s,]+/) : value;
    const found = all.filter((one) => one !== '');
    const wrong = found.find((one) => !/^age1[02-9ac-hj-np-z]{58}$/.test(one));
    if (wrong === undefined && found.length > 0) return [...new Set(found)].sort();
    context.issues.push({ code: 'custom', message: recipientProblem(wrong), input: value });
    return z.NEVER;
  });

function recipientProblem(wrong: string | undefined): string {
  if (wrong?.startsWith('AGE-SECRET-KEY-') === true)
    return english`has an identity, which is secret: the recipient of it is wanted (\`age-keygen -y KEYFILE\`)`;
  if (wrong?.startsWith('ssh-') === true) return english`${recipientsWanted}; keys of SSH are not taken`;
  return recipientsWanted;
}

/** Any text but an empty one. */
export const text = z.string().min(1, english`must not be empty`);

const addressWanted = english`must be a port such as 9464, or an address and a port such as
  192.0.2.7:9464 or [::1]:9464`;

/** Where a server listens, as `ADDRESS:PORT`; a port alone is one of 127.0.0.1. */
export const listenAddress = z
  .union([z.string(), z.number()], { error: addressWanted })
  .transform((value, context) => {
    const [, host, port] = /^(?:(\[[\da-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})$/.exec(String(value)) ?? [];
    if (Number(port) >= 1 && Number(port) <= 65_535) return `${host ?? '127.0.0.1'}:${port}`;
    context.issues.push({ code: 'custom', message: addressWanted, input: value });
    return z.NEVER;
  });

/** Where the web page is served, as `ADDRESS:PORT`; a port alone is one of 127.0.0.1; or `off`. */
export const pageAddress = z
  .union([z.string(), z.number(), z.literal(false)], { error: english`${addressWanted}, or off` })
  .transform((value, context): string => {
    if (['off', 'no', 'false'].includes(String(value).toLowerCase())) return 'off';
    const parsed = listenAddress.safeParse(value);
    if (parsed.success) return parsed.data;
    context.issues.push({ code: 'custom', message: english`${addressWanted}, or off`, input: value });
    return z.NEVER;
  });

/** An address of the web, without a trailing slash. */
export const webUrl = z
  .string()
  .regex(/^https?:\/\/[^\s]+$/i, english`must be a URL such as http://127.0.0.1:8080`)
  .transform((url) => url.replace(/\/+$/, ''));

/** The name of a drive or a pool. */
export const driveOrPoolName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    english`must be letters, digits, dot, dash or underscore, at most 63 of them`,
  );

/** What a drive is: a plain folder, or a mounted LTFS tape. */
export const driveKind = z.enum(['directory', 'ltfs'], { error: english`must be directory or ltfs` });

/** One of `driveKind`. */
export type DriveKind = z.output<typeof driveKind>;
