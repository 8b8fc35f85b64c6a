import { label } from '../../client/commands/tape/tape.js';
import { erase } from '../../client/commands/tape/tape-erase.js';
import { found, lost } from '../../client/commands/tape/tape-lost.js';
import { trust } from '../../client/commands/tape/tape-trust.js';
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
};

function onDrive(of: Fields): { drive: string } {
  return { drive: of('drive') === '' ? 'lto1' : of('drive') };
}
