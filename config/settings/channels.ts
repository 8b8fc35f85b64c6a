import { z } from 'zod';
import { english } from '../../messages/sentence.js';
import { driveOrPoolName, text, whole } from './setting-types.js';

/** What people can be told of. */
export const notifyEvents = [
  'failed',
  'completed_with_skips',
  'completed',
  'waiting',
  'tape_full',
  'tape_suspect',
  'damage',
  'schedule_missed',
  'no_success',
  'single_copy',
  'hook_failed',
] as const;

/** One of `notifyEvents`. */
export type NotifyEvent = (typeof notifyEvents)[number];

/** Those that ask a person for something: what a channel is told of unless it says otherwise. */
export const personEvents: readonly NotifyEvent[] = notifyEvents.filter((event) => event !== 'completed');

const secretWanted = english`must be a text, ${'{"env": "NAME"}'} or ${'{"file": "PATH"}'}`;

/** A value that need not stand in the file: it may be in a variable of the environment, or in a file of its own. */
const secret = z.union([text, z.strictObject({ env: text }), z.strictObject({ file: text })], {
  error: secretWanted,
});

/** One of them, as the file has it. */
export type Secret = z.output<typeof secret>;

const urlWanted = english`must be a URL that begins with https:// or http://`;

/** True for what a message can be posted to. */
export function isWebUrl(value: string): boolean {
  return URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol);
}

const url = secret.refine((value) => typeof value !== 'string' || isWebUrl(value), { error: urlWanted });

const events = z
  .array(z.enum(notifyEvents, { error: english`must be one of ${notifyEvents.join(', ')}` }))
  .min(1, english`must name at least one event`)
  .optional();

const base = { name: driveOrPoolName, events };

const addresses = z.union([text, z.array(text).min(1, english`must have an address`)], {
  error: english`must be an address, or a list of them`,
});

/** The kinds of channels, and what each needs. */
const channelKinds = [
  /** The message as JSON; with a secret, signed. */
  z.strictObject({ ...base, kind: z.literal('webhook'), url, secret: secret.optional() }),
  z.strictObject({ ...base, kind: z.literal('dingtalk'), url, secret: secret.optional() }),
  z.strictObject({ ...base, kind: z.literal('wecom'), url }),
  z.strictObject({ ...base, kind: z.literal('feishu'), url, secret: secret.optional() }),
  z.strictObject({ ...base, kind: z.literal('slack'), url }),
  z.strictObject({ ...base, kind: z.literal('teams'), url }),
  /** `url` is that of the server, without the topic. */
  z.strictObject({ ...base, kind: z.literal('ntfy'), url, topic: secret, token: secret.optional() }),
  z.strictObject({
    ...base,
    kind: z.literal('email'),
    host: text,
    port: whole(1, 65_535).optional(),
    /** `none` sends everything readable: for a server on this machine. */
    tls: z
      .enum(['starttls', 'tls', 'none'], { error: english`must be starttls, tls or none` })
      .default('starttls'),
    user: secret.optional(),
    password: secret.optional(),
    from: text,
    to: addresses,
  }),
  /** A program and its arguments, run without a shell, with the message as JSON on its standard input. */
  z.strictObject({
    ...base,
    kind: z.literal('command'),
    command: z.array(text).min(1, english`must name a program`),
  }),
  /** A dead man's switch: who is not heard of in time is missed by the service at the URL. */
  z.strictObject({ ...base, kind: z.literal('ping'), url }),
] as const;

/** A channel of `notify`. */
const channel = z.discriminatedUnion('kind', channelKinds, {
  error: english`must have a kind: ${channelKinds.map(({ shape }) => shape.kind.value).join(', ')}`,
});

/** `notify`: channels whose names are different. */
export const channelsSchema = z.array(channel).superRefine((channels, context) => {
  const names = channels.map(({ name }) => name);
  for (const [index, name] of names.entries())
    if (names.indexOf(name) < index)
      context.addIssue({
        code: 'custom',
        path: [index, 'name'],
        message: english`must not be that of another channel`,
      });
});

/** A channel as the file has it. */
export type ChannelSettings = z.output<typeof channel>;

/** A channel of one kind. */
export type ChannelOf<Kind extends ChannelSettings['kind']> = Extract<ChannelSettings, { kind: Kind }>;

/** The keys that a channel of the configuration file may have. */
export function keysOfChannel(given: unknown): string[] {
  const kind: unknown = given !== null && typeof given === 'object' ? Reflect.get(given, 'kind') : undefined;
  const known = channelKinds.find(({ shape }) => shape.kind.value === kind);
  return Object.keys((known ?? channelKinds[0]).shape);
}

/** What a `ping` is told of unless it says otherwise: how each set ended. */
const pingEvents: readonly NotifyEvent[] = ['completed', 'completed_with_skips', 'failed'];

/** True for a channel that is to be told of an event. */
export function wantsEvent({ kind, events }: Pick<ChannelSettings, 'kind' | 'events'>, event: NotifyEvent) {
  return (events ?? (kind === 'ping' ? pingEvents : personEvents)).includes(event);
}

/** The variables of the environment that channels name. */
export function variablesOf(notify: unknown): string[] {
  if (!Array.isArray(notify)) return [];
  return notify.flatMap((channel: unknown) =>
    channel === null || typeof channel !== 'object'
      ? []
      : Object.values(channel).flatMap((value: unknown) => {
          const name: unknown =
            value !== null && typeof value === 'object' ? Reflect.get(value, 'env') : undefined;
          return typeof name === 'string' ? [name] : [];
        }),
  );
}
