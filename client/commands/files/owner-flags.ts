import type { Command } from 'commander';
import { accountNumber, type AccountKind } from '../../../config/accounts.js';
import { usageFailure } from '../../../config/failures.js';
import { noOwners, ownersAsBackedUp, type OwnerChoice } from '../../../entry/owner-choice.js';
import { english } from '../../../messages/sentence.js';

export interface OwnerFlags {
  /** False for `--no-owner`. */
  owner: boolean;
  ownerMap: string[];
}

/** The options that say whose the restored entries become. */
export function addOwnerOptions(command: Command): Command {
  return command
    .option('--no-owner', 'everything becomes the property of the user who restores')
    .option(
      '--owner-map <from=to>',
      'give what belonged to one user or group to another: USER=USER, USER:GROUP=USER:GROUP or :GROUP=:GROUP, by ' +
        'name or number, * for all others; may be given again',
      (value: string, before: string[]) => [...before, value],
      [],
    );
}

/**
 * What the options choose; null where owners become what they were. Throws a usage failure for names that this machine
 * does not know and for pairs that are none.
 */
export function ownerChoice({ owner, ownerMap }: OwnerFlags): OwnerChoice | null {
  if (!owner && ownerMap.length > 0)
    throw usageFailure(
      'WrongOwnerMap',
      english`--owner-map says whose files become, and --no-owner that they get no owner.`,
    );
  if (!owner) return noOwners;
  if (ownerMap.length === 0) return null;
  const choice: OwnerChoice = { ...ownersAsBackedUp, users: [], groups: [] };
  for (const given of ownerMap) {
    const [from, to] = sidesOf(given);
    for (const [kind, map] of [
      ['user', choice.users],
      ['group', choice.groups],
    ] as const) {
      const [old, now] = [from[kind], to[kind]];
      if (old === '' && now === '') continue;
      if (old === '' || now === '' || now === '*')
        throw wrongMap(given, english`it does not say which ${kind} becomes which`);
      map.push([old === '*' ? null : numberOf(given, kind, old), numberOf(given, kind, now)]);
    }
  }
  return choice;
}

type Side = Record<AccountKind, string>;

/** The two sides of a pair; a part that is not named is empty. */
function sidesOf(given: string): [from: Side, to: Side] {
  const sides = given.split('=');
  const [from, to] = sides.map((side): Side => {
    const [user = '', group = '', ...rest] = side.split(':');
    if (rest.length > 0 || side === '') throw wrongMap(given, english`it is no pair of owners`);
    return { user, group };
  });
  if (from === undefined || to === undefined || sides.length > 2)
    throw wrongMap(given, english`it is no pair of owners`);
  return [from, to];
}

/** The largest number that a system call takes as an owner; one more stands for "as it is" (chown(2)). */
const mostId = 2 ** 32 - 2;

function numberOf(given: string, kind: AccountKind, name: string): number {
  const number = /^\d+$/.test(name) ? Number(name) : accountNumber(kind, name);
  if (number === undefined)
    throw wrongMap(given, english`this machine knows no ${kind} ${JSON.stringify(name)}`);
  if (number > mostId) throw wrongMap(given, english`there is no ${kind} ${name}, the last one is ${mostId}`);
  return number;
}

function wrongMap(given: string, why: string) {
  return usageFailure(
    'WrongOwnerMap',
    english`--owner-map cannot be ${JSON.stringify(given)}: ${why}.`,
    english`It is USER=USER, USER:GROUP=USER:GROUP or :GROUP=:GROUP, each by name or number.`,
  );
}
