import { readFileSync, statSync } from 'node:fs';
import { describeError, TapeflowFailure } from '../../config/failures.js';
import { english } from '../../messages/sentence.js';

/** Maximum bytes of a file of identities: far more than a hundred take. */
const mostBytes = 64 * 1024;

/** A secret key of age, and the recipient that it opens. The key is never shown, and kept in memory alone. */
export interface Identity {
  key: string;
  recipient: string;
}

/**
 * Reads a file of identities as `age-keygen` writes it: one key on each line, `#` begins a comment. Throws a failure
 * that says what is wrong with the file, and nothing of what is in it.
 */
export async function readIdentities(file: string): Promise<Identity[]> {
  const keys: string[] = [];
  for (const [at, line] of linesIn(file).entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    requireKey(file, at + 1, text);
    keys.push(text);
  }
  if (keys.length === 0) throw wrong(english`The file of identities ${file} has no identity.`);
  const { identityToRecipient } = await import('age-encryption');
  return Promise.all(
    keys.map(async (key) => {
      try {
        return { key, recipient: await identityToRecipient(key) };
      } catch {
        throw wrong(english`The file of identities ${file} has an identity with a typing error.`);
      }
    }),
  );
}

/** True where others than the user can read a file of identities. */
export function isReadByOthers(file: string): boolean {
  if (process.platform === 'win32') return false;
  try {
    return (statSync(file).mode & 0o077) !== 0;
  } catch {
    return false;
  }
}

function linesIn(file: string): string[] {
  let text: string;
  try {
    if (!statSync(file).isFile()) throw wrong(english`The file of identities ${file} is not a regular file.`);
    if (statSync(file).size > mostBytes)
      throw wrong(english`The file of identities ${file} is too large for one.`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof TapeflowFailure) throw error;
    throw wrong(english`The file of identities ${file} cannot be read: ${describeError(error)}.`);
  }
  return text.split('\n');
}

function requireKey(file: string, line: number, text: string): void {
  if (/^AGE-SECRET-KEY-1[0-9A-Z]{58}$/.test(text)) return;
  if (text.startsWith('-----BEGIN AGE ENCRYPTED') || text.startsWith('age-encryption.org/'))
    throw wrong(
      english`The file of identities ${file} is itself encrypted.`,
      english`Decrypt it first: \`age -d -o KEYFILE ${file}\`.`,
    );
  if (text.startsWith('AGE-PLUGIN-'))
    throw wrong(english`The file of identities ${file} is for a plugin of age, which tapeflow does not run.`);
  if (text.startsWith('-----BEGIN'))
    throw wrong(
      english`The file of identities ${file} is a key of another kind, such as of SSH.`,
      english`\`age-keygen\` makes one of age.`,
    );
  throw wrong(
    english`The file of identities ${file} has no identity of age on line ${line}.`,
    english`It begins with AGE-SECRET-KEY-1.`,
  );
}

function wrong(sentence: string, advice?: string): TapeflowFailure {
  const options = advice === undefined ? {} : { advice };
  return new TapeflowFailure('WrongIdentity', sentence, {
    kind: 'usage',
    ...options,
  });
}
