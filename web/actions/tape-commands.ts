import { label } from '../../client/commands/tape/tape.js';
import { beginCopy } from '../../client/commands/tape/tape-copy.js';
import { erase } from '../../client/commands/tape/tape-erase.js';
import { found, lost } from '../../client/commands/tape/tape-lost.js';
import {
  beginRepack,
  previewRepack,
  sayWhatIsLeft,
  type RepackFlags,
} from '../../client/commands/tape/tape-repack.js';
import { distrustTape, trust } from '../../client/commands/tape/tape-trust.js';
import { startDetached } from '../../client/follow/follow-retrieval.js';
import type { Session } from '../../client/session.js';
import { t } from '../../messages/shown.js';
import { requireTyped, type Commands, type Fields } from './given.js';

/** What can be done with a tape. */
export const tapeCommands: Commands = {
  label: (of) => ({
    what: t`Label the tape in ${of('drive')} as ${of('name')}`,
    run: (session) =>
      label(session, of('name'), { ...onDrive(of), pool: of('pool'), force: of('force') === 'yes' }),
  }),
  erase: (of) => ({
    what: `${t`Erase tape`} ${of('tape')}`,
    run: async (session) => {
      requireTyped(of('name'), of('tape'));
      await erase(session, of('tape'), {
        ...onDrive(of),
        yes: true,
        evenUnexpired: of('even-unexpired') === 'yes',
      });
    },
  }),
  lost: (of) => ({
    what: t`Mark tape ${of('tape')} as lost`,
    run: async (session) => {
      requireTyped(of('name'), of('tape'));
      await lost(session, of('tape'), true);
    },
  }),
  found: (of) => ({ what: t`Tape ${of('tape')} was found`, run: (session) => found(session, of('tape')) }),
  trust: (of) => ({ what: t`Trust tape ${of('tape')} again`, run: (session) => trust(session, of('tape')) }),
  distrust: (of) => ({
    what: t`Distrust tape ${of('tape')}`,
    run: async (session) => {
      requireTyped(of('name'), of('tape'));
      await distrustTape(session, of('tape'));
    },
  }),
  repack: (of) =>
    of('how') === 'preview'
      ? {
          what: t`What a repack of tape ${of('tape')} would copy`,
          run: (session) => previewRepack(session, of('tape'), copyDrives(of)),
        }
      : { what: t`Repack tape ${of('tape')}`, run: (session) => repack(session, of('tape'), copyDrives(of)) },
  copy: (of) => ({
    what: t`Copy ${of('subject')} to pool ${of('pool')}`,
    run: async (session) => {
      const begun = await beginCopy(session, of('subject'), { pool: of('pool'), ...copyDrives(of) });
      if (begun !== undefined) await startDetached(session, begun);
    },
  }),
};

async function repack(session: Session, name: string, drives: RepackFlags): Promise<void> {
  const begun = await beginRepack(session, name, drives);
  if (begun === undefined) await sayWhatIsLeft(session, name);
  else await startDetached(session, begun);
}

/** The drives that a form names, as the options of the commands. */
function copyDrives(of: Fields): Pick<RepackFlags, 'drive' | 'toDrive'> {
  const [drive, toDrive] = [of('drive'), of('to-drive')];
  return { ...(drive === '' ? {} : { drive }), ...(toDrive === '' ? {} : { toDrive }) };
}

function onDrive(of: Fields): { drive: string } {
  return { drive: of('drive') === '' ? 'lto1' : of('drive') };
}
