import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a number of an owner counts. */
export type AccountKind = 'user' | 'group';

/** Where the system tells of users and groups: a file, and a program that also knows those of a directory service. */
const places = {
  user: { file: '/etc/passwd', database: 'passwd', list: '/Users', id: 'UniqueID' },
  group: { file: '/etc/group', database: 'group', list: '/Groups', id: 'PrimaryGroupID' },
} as const;

/** The number of a user or group by its name; undefined when this machine knows none of that name. */
export function accountNumber(kind: AccountKind, name: string): number | undefined {
  const { file, database, list, id } = places[kind];
  const find = (lines: string, entry: RegExp) => {
    const number = lines
      .split('\n')
      .map((line) => entry.exec(line))
      .find((match) => match?.[1] === name)?.[2];
    return number === undefined ? undefined : Number(number);
  };
  // passwd(5) and group(5): the number is the third field.
  const ofFile = /^([^:]*):[^:]*:(\d+):/;
  return (
    find(
      output(() => readFileSync(file, 'utf8')),
      ofFile,
    ) ??
    (process.platform === 'darwin'
      ? find(
          output(() => ask('dscl', ['.', '-list', list, id])),
          /^(\S+)\s+(\d+)$/,
        )
      : find(
          output(() => ask('getent', [database, '--', name])),
          ofFile,
        ))
  );
}

function ask(program: string, args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
  });
}

function output(of: () => string): string {
  try {
    return of();
  } catch {
    return '';
  }
}
