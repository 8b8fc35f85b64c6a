import { accessSync, constants } from 'node:fs';
import { isReadByOthers, readIdentities, type Identity } from '../archive/age/identity-file.js';
import { encryptedArchives, type EncryptedArchive } from '../catalog/groups/encrypted-archives.js';
import type { Catalog } from '../catalog/open-catalog.js';
import { formatCount } from '../config/counts.js';
import { systemErrorCode, TapeflowFailure, usageFailure } from '../config/failures.js';
import {
  identityAdvice,
  isOpenedBy,
  opensWhatIsFor,
  requireRecipients,
} from '../operations/encryption/identities.js';
import { userPath, type Session } from './session.js';
import { english } from '../messages/sentence.js';
import { shown, t } from '../messages/shown.js';

/**
 * Before a set is encrypted: its recipients are valid, and the identities that are given open what is encrypted to
 * them. Those of `AGE_IDENTITY_FILE` are tried, too, where they are here; it is only said when they do not.
 */
export async function tryEncryption(
  session: Session,
  recipients: readonly string[] | undefined,
  given: string | undefined,
): Promise<void> {
  if (recipients === undefined) return;
  await requireRecipients(recipients);
  const { AGE_IDENTITY_FILE: own } = session.settings;
  const file = given === undefined ? own : userPath(given);
  if (file === undefined || (given === undefined && !isReadable(file))) return;
  const identities = await identitiesIn(session, file);
  if (await opensWhatIsFor(recipients, identities)) {
    if (given !== undefined) session.say(t`The identity of ${file} opens what is encrypted for this set.`);
    return;
  }
  const sentence = english`The identity of ${file} does not open what is encrypted to AGE_RECIPIENTS.`;
  if (given !== undefined) throw usageFailure('WrongIdentity', sentence, english`Nothing was backed up.`);
  session.say(shown(sentence));
}

/** The path of a file of identities as a retrieval keeps it; null: none was given. */
export function identityPath(given: string | undefined): string | null {
  return given === undefined ? null : userPath(given);
}

/**
 * Throws when what a restore wants is encrypted and no identity here opens it, before any tape is asked for: what each
 * archive begins with is in the catalog.
 */
export async function requireOpenable(
  session: Session,
  catalog: Catalog,
  archives: readonly { setId: string; group: number }[],
  identityFile: string | null,
): Promise<void> {
  const encrypted = await encryptedArchives(catalog, archives);
  const [first] = encrypted;
  if (first === undefined) return;
  const file = identityFile ?? session.settings.AGE_IDENTITY_FILE;
  if (file === undefined)
    throw new TapeflowFailure(
      'NoIdentity',
      english`Set ${first.setId} is encrypted, and no identity is given.`,
      { advice: identityAdvice },
    );
  // The workers may be allowed to read what this user is not.
  if (!isReadable(file)) return;
  const closed = await closedBy(await identitiesIn(session, file), encrypted);
  if (closed === undefined) return;
  throw new TapeflowFailure(
    'NoIdentity',
    english`The identity of ${file} does not open ${closed.name} of set ${closed.setId}:
      it is encrypted to other keys.`,
    { advice: english`Without the identity of one of its recipients nothing of it can be read.` },
  );
}

/** Says what a verify without an identity cannot tell. */
export async function sayIfClosed(
  session: Session,
  catalog: Catalog,
  archives: readonly { setId: string; group: number }[],
  identityFile: string | null,
): Promise<void> {
  const encrypted = await encryptedArchives(catalog, archives);
  if (encrypted.length === 0) return;
  const why = await whyClosed(encrypted, identityFile ?? session.settings.AGE_IDENTITY_FILE);
  if (why === undefined) return;
  session.say(
    t`${formatCount(encrypted.length, 'archive is', 'archives are')} encrypted, and ${why}: the SHA-256 of the
      whole archive is compared, which needs none; which files damage hits is not told then.`,
  );
}

/** Why archives cannot be opened, as a part of a sentence; undefined when they can, or nobody here knows. */
async function whyClosed(
  encrypted: readonly EncryptedArchive[],
  file: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) return t`no identity is given`;
  if (!isReadable(file)) return undefined;
  try {
    const closed = await closedBy(await readIdentities(file), encrypted);
    return closed === undefined ? undefined : t`the identity of ${file} does not open ${closed.name}`;
  } catch (error) {
    if (error instanceof TapeflowFailure)
      return t`no identity is to be had (${error.message.replace(/\.$/, '')})`;
    throw error;
  }
}

/** An archive that no identity opens, if there is one; one of each set is tried, since all have the same recipients. */
async function closedBy(
  identities: readonly Identity[],
  encrypted: readonly EncryptedArchive[],
): Promise<EncryptedArchive | undefined> {
  const tried = new Set<string>();
  for (const archive of encrypted) {
    const { setId, header } = archive;
    if (header === null || tried.has(setId)) continue;
    tried.add(setId);
    if (!(await isOpenedBy(Buffer.from(header, 'base64'), identities))) return archive;
  }
  return undefined;
}

/** The identities of a file; says when others can read it, too. */
async function identitiesIn(session: Session, file: string): Promise<Identity[]> {
  const identities = await readIdentities(file);
  if (isReadByOthers(file))
    session.say(t`Others can read ${file}, and with it all that it opens: \`chmod 600\`.`);
  return identities;
}

/** False for a file that this user may not read; a missing one is told by whoever opens it. */
function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'ENOENT';
  }
}
