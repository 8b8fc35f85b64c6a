import { installationId } from '../../catalog/installation.js';
import { driveNamed } from '../../config/settings/drives.js';
import { TapeflowFailure } from '../../config/failures.js';
import { formatBytes } from '../../config/sizes.js';
import { tapeAdvice } from '../../client/print/tape-advice.js';
import { identifyTape } from '../../tape/drives/loaded-tape.js';
import { queryDrive } from '../../tape/drives/query-drive.js';
import type { Session } from '../../client/session.js';
import type { MakePage, Page, PageRequest } from './page.js';
import { State } from './state-words.js';
import { Sentence } from './sentence.js';
import { shown, t } from '../../messages/shown.js';

/** Which tape is in a drive, as `tape status` tells it. Looks when it is asked, and never by itself. */
export const drivePage: MakePage = async (request) => {
  const { site } = request;
  if (site.isReadOnly) return pageOf(request, site.session());
  // What it finds is written down, as `tape status` does.
  const session = site.newSession(() => undefined);
  try {
    await installationId(await session.catalog());
    return await pageOf(request, session);
  } finally {
    await session.close();
  }
};

async function pageOf({ frame, param }: PageRequest, session: Session): Promise<Page> {
  const catalog = await session.catalog();
  const drive = driveNamed(await session.allDrives(), param('drive'));
  const title = `${t`Drive`} ${drive.name}`;
  const head = (
    <>
      <h1>{title}</h1>
      <p class="quiet">
        {drive.kind} <span class="path">{drive.path}</span>
        {drive.host === undefined ? '' : t` of host ${drive.host}`}
      </p>
    </>
  );
  try {
    const { loaded, protection } = await queryDrive(session.settings, drive, async (asked) => ({
      loaded: await identifyTape(asked, catalog),
      protection: await asked.writeProtection(),
    }));
    const { row, space } = loaded;
    const body = (
      <>
        {head}
        <p class="lead">
          <a href={`${frame.base}tapes/${encodeURIComponent(row.name)}`}>
            {t`Tape`} {row.name}
          </a>
          {t`, pool ${row.pool}`} <State state={row.state} /> <Sentence text={shown(row.reason ?? '')} />
        </p>
        <p>
          {t`${formatBytes(space.free)} of ${formatBytes(space.capacity)} free`}
          {protection === undefined ? '' : t`; cannot be written: ${protection.why}`}
        </p>
        {row.state === 'usable' && protection === undefined ? (
          ''
        ) : (
          <p>
            <Sentence text={tapeAdvice(row, protection, drive.name)} />
          </p>
        )}
      </>
    );
    return { title, body };
  } catch (error) {
    if (!(error instanceof TapeflowFailure) || error.kind !== 'person') throw error;
    const body = (
      <>
        {head}
        <p class="lead">{shown(error.message)}</p>
        <p>
          <Sentence text={shown(error.advice ?? '')} />
        </p>
        <p class="links">
          <a href={`${frame.base}tapes?drive=${encodeURIComponent(drive.name)}#label`}>
            {t`Label the tape in it`}
          </a>
        </p>
      </>
    );
    return { title, body };
  }
}
