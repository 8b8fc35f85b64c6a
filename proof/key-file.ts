import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TapeflowFailure, systemErrorCode, describeError } from '../config/failures.js';
import { makeReadableFolders } from '../config/shared-group.js';
import { fsyncFolderSync } from '../disk/durable-file.js';
import { readSecretFile, type SecretFile } from '../disk/secret-file.js';
import { english } from '../messages/sentence.js';

/** Bytes of the key: the size of a SHA-256 hash. */
const keyBytes = 32;

/** The file of the key with which the messages of an installation are proven. */
export function keyFile(dataDir: string): string {
  return path.join(dataDir, 'message.key');
}

/**
 * The key of the installation in a data folder, in hexadecimal; created if missing.
 *
 * Throws `KeyExposed` when others may read the file, `KeyDamaged` when it holds something else, `NoKey` when it can be
 * neither read nor created.
 */
export function messageKey(dataDir: string): string {
  const known = readKey(dataDir);
  if (known !== undefined) return known;
  try {
    makeKey(dataDir);
  } catch (error) {
    throw new TapeflowFailure(
      'NoKey',
      english`The key of this installation cannot be made in ${keyFile(dataDir)}: ${describeError(error)}.`,
      { cause: error },
    );
  }
  const made = readKey(dataDir);
  if (made !== undefined) return made;
  throw new TapeflowFailure('NoKey', english`${keyFile(dataDir)} was deleted the moment it was made.`);
}

/** The key; undefined when there is none yet. Throws like `messageKey`. */
export function readKey(dataDir: string): string | undefined {
  const file = keyFile(dataDir);
  let found: SecretFile | undefined;
  try {
    found = readSecretFile(file);
  } catch (error) {
    throw new TapeflowFailure(
      'NoKey',
      english`The key of this installation cannot be read from ${file}: ${describeError(error)}.`,
      {
        advice: english`Run tapeflow as the user that its workers run as.`,
        cause: error,
      },
    );
  }
  if (found === undefined) return undefined;
  if (found.exposed !== undefined) {
    throw new TapeflowFailure(
      'KeyExposed',
      english`Others may read ${file} (mode ${found.exposed}), the key that proves who gives commands.`,
      { advice: english`Delete it, since it may be known, and restart the workers: a new one is made.` },
    );
  }
  const text = found.text.trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new TapeflowFailure(
      'KeyDamaged',
      english`${file} does not hold a key: it is not ${keyBytes * 2} digits.`,
      {
        advice: english`Delete it and restart the workers: a new one is made, and unfinished sets are
          resumed.`,
      },
    );
  }
  return text;
}

/**
 * Writes the key under a temporary name first: whoever finds the key's file finds all of it, and only one is ever
 * created.
 */
function makeKey(dataDir: string): void {
  makeReadableFolders(dataDir);
  const part = `${keyFile(dataDir)}.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  const fd = openSync(part, 'wx', 0o600);
  try {
    writeFileSync(fd, `${randomBytes(keyBytes).toString('hex')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    linkSync(part, keyFile(dataDir));
    fsyncFolderSync(dataDir);
  } catch (error) {
    // Another process of ours was faster.
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(part, { force: true });
  }
}
