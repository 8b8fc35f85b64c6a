import { readIdentities, type Identity } from '../../archive/age/identity-file.js';
import { NotOpened, openSeal, openSealedFile, type Opened } from '../../archive/age/open-seal.js';
import { Seal, WrongRecipient } from '../../archive/age/seal.js';
import type { ArchiveRow } from '../../catalog/rows.js';
import { TapeflowFailure, usageFailure } from '../../config/failures.js';
import type { Settings } from '../../config/settings/settings.js';
import { isEncrypted } from '../../entry/archive-format.js';
import { english } from '../../messages/sentence.js';

/** Where identities are to be found, said to those who have to give one. */
export const identityAdvice = english`Give its file by --identity, or by AGE_IDENTITY_FILE.`;

/**
 * The identities that are known here: those of the file that was asked for, else of `AGE_IDENTITY_FILE`; undefined when
 * neither is set. Throws a failure when the file cannot be used.
 */
export async function identitiesHere(
  { AGE_IDENTITY_FILE: own }: Pick<Settings, 'AGE_IDENTITY_FILE'>,
  asked: string | null | undefined = null,
): Promise<Identity[] | undefined> {
  const file = asked ?? own;
  return file === undefined ? undefined : readIdentities(file);
}

/**
 * What opens an archive; undefined for one that is not encrypted. The catalog's own copy of what the file begins with
 * is taken, so that its damage loses nothing. Throws a `TapeflowFailure` when nothing here opens it.
 *
 * @param asked path of a file of identities, see `identitiesHere`.
 */
export async function openArchiveHere(
  settings: Settings,
  archive: ArchiveRow,
  file: string,
  asked: string | null,
): Promise<Opened | undefined> {
  const { name, age_header: header } = archive;
  if (!isEncrypted(name)) return undefined;
  const identities = await identitiesHere(settings, asked);
  if (identities === undefined)
    throw new TapeflowFailure(
      'NoIdentity',
      english`The archive ${name} is encrypted, and host ${settings.TAPEFLOW_HOST} is told no identity.`,
      { advice: identityAdvice },
    );
  const keys = identities.map(({ key }) => key);
  try {
    return header === null
      ? await openSealedFile(file, keys)
      : await openSeal(Buffer.from(header, 'base64'), keys);
  } catch (error) {
    if (!(error instanceof NotOpened)) throw error;
    throw new TapeflowFailure(
      'NoIdentity',
      english`The archive ${name} cannot be opened: ${error.message}.`,
      {
        ...(error.isDamaged
          ? {}
          : { advice: english`Give the identity of one of its recipients by --identity.` }),
      },
    );
  }
}

/** Throws a usage failure when one of these is no recipient of age. */
export async function requireRecipients(recipients: readonly string[]): Promise<void> {
  try {
    await Seal.to(recipients);
  } catch (error) {
    if (!(error instanceof WrongRecipient)) throw error;
    throw usageFailure(
      'WrongRecipient',
      english`AGE_RECIPIENTS has ${JSON.stringify(error.recipient)}, which has a typing error.`,
      english`\`age-keygen -y KEYFILE\` says the recipient of an identity.`,
    );
  }
}

/** True when what is encrypted to these recipients is opened by one of the identities: tried, not compared. */
export async function opensWhatIsFor(
  recipients: readonly string[],
  identities: readonly Identity[],
): Promise<boolean> {
  return isOpenedBy((await Seal.to(recipients)).begin, identities);
}

/** True when one of the identities opens what begins so. */
export async function isOpenedBy(begin: Buffer, identities: readonly Identity[]): Promise<boolean> {
  const keys = identities.map(({ key }) => key);
  try {
    await openSeal(begin, keys);
    return true;
  } catch (error) {
    if (error instanceof NotOpened) return false;
    throw error;
  }
}
