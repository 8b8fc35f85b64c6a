import { isReadByOthers, readIdentities, type Identity } from '../../archive/age/identity-file.js';
import { encryptedOf } from '../../catalog/groups/encrypted-archives.js';
import type { Catalog } from '../../catalog/open-catalog.js';
import { recipientsShown } from '../../catalog/sets/recipients.js';
import { listSets } from '../../catalog/sets/sets.js';
import { formatCount } from '../../config/counts.js';
import { describeError } from '../../config/failures.js';
import { isOpenedBy, opensWhatIsFor, requireRecipients } from '../../operations/encryption/identities.js';
import type { Session } from '../session.js';
import type { Check } from './disk-checks.js';
import { english } from '../../messages/sentence.js';

const what = english`encryption`;
/** Sets that are named; more are counted. */
const mostNamed = 5;

/**
 * Checks whom sets are encrypted to, and that the identity here opens that, and the sets of the catalog: a test
 * decryption of each. Nothing where nothing is encrypted, or is to be.
 */
export async function checkEncryption(session: Session, catalogWorks: boolean): Promise<Check[]> {
  const { AGE_RECIPIENTS: recipients, AGE_IDENTITY_FILE: file } = session.settings;
  const headers = catalogWorks ? await headersOfSets(await session.catalog()) : new Map<string, string>();
  if (recipients === undefined && file === undefined && headers.size === 0) return [];
  try {
    if (recipients !== undefined) await requireRecipients(recipients);
    if (file === undefined) return [withoutIdentity(recipients, headers.size)];
    const identities = await readIdentities(file);
    return [
      await checkOpening(file, identities, recipients, headers),
      ...(isReadByOthers(file)
        ? [
            {
              ...{ what, level: 'trouble' as const, finding: english`others can read ${file}` },
              advice: `\`chmod 600 ${file}\``,
            },
          ]
        : []),
    ];
  } catch (error) {
    return [{ what, level: 'trouble', finding: describeError(error) }];
  }
}

function withoutIdentity(recipients: readonly string[] | undefined, sets: number): Check {
  const to = recipients === undefined ? english`nobody (AGE_RECIPIENTS)` : recipientsShown(recipients);
  return {
    ...{ what, level: 'note' },
    finding:
      sets === 0
        ? english`to ${to}; no identity is known here, so that what is encrypted cannot be restored on this host`
        : english`to ${to}; no identity is known here, so that ${formatCount(sets, 'encrypted set')} of the catalog
          cannot be restored on this host`,
    advice: english`That is as it should be on a host that only backs up. Elsewhere AGE_IDENTITY_FILE names one;
        \`tapeflow doctor\` there tries it.`,
  };
}

async function checkOpening(
  file: string,
  identities: readonly Identity[],
  recipients: readonly string[] | undefined,
  headers: ReadonlyMap<string, string>,
): Promise<Check> {
  if (recipients !== undefined && !(await opensWhatIsFor(recipients, identities)))
    return {
      ...{ what, level: 'trouble', finding: english`the identity of ${file} opens nothing of new sets` },
      advice: english`AGE_RECIPIENTS has recipients of other identities: nothing of new sets can be restored with it.`,
    };
  const closed: string[] = [];
  for (const [setId, header] of headers)
    if (!(await isOpenedBy(Buffer.from(header, 'base64'), identities))) closed.push(setId);
  if (closed.length > 0) {
    const first = closed.slice(0, mostNamed).join(', ');
    const more = closed.length - mostNamed;
    return {
      ...{ what, level: 'trouble' },
      finding:
        more > 0
          ? english`the identity of ${file} does not open ${first} and ${more} more`
          : english`the identity of ${file} does not open ${first}`,
      advice: english`Add the identity that does to the file. If there is none any more, these sets are lost.`,
    };
  }
  const finding =
    headers.size === 0
      ? english`tried: the identity of ${file} opens new sets`
      : english`tried: the identity of ${file} opens new sets and ${formatCount(headers.size, 'set')} of the catalog`;
  return { what, level: 'ok', finding };
}

/** What an archive of each encrypted set begins with. */
async function headersOfSets(catalog: Catalog): Promise<Map<string, string>> {
  const headers = new Map<string, string>();
  for (const { id, state } of await listSets(catalog)) {
    if (state === 'expired') continue;
    const header = (await encryptedOf(catalog, id)).find((archive) => archive.header !== null)?.header;
    if (header != null) headers.set(id, header);
  }
  return headers;
}
