import type { Context, Hono } from 'hono';
import { beginRestore } from '../../client/commands/files/begin-restore.js';
import { beginVerify } from '../../client/commands/files/verify.js';
import { cancel } from '../../client/commands/set/cancel.js';
import { pause } from '../../client/commands/set/pause.js';
import { resume } from '../../client/commands/set/resume.js';
import { retry } from '../../client/commands/set/retry.js';
import { cancelRetrieval } from '../../client/follow/cancel-retrieval.js';
import { startDetached } from '../../client/follow/follow-retrieval.js';
import { displayPath } from '../../client/print/names.js';
import { isRetrievalId } from '../../catalog/retrievals/retrievals.js';
import { usageFailure } from '../../config/failures.js';
import { toBytes } from '../../entry/byte-string.js';
import { refusal } from '../access/refusal.js';
import { decodeName } from '../names.js';
import type { Site } from '../site.js';
import { requireTyped, type Commands, type Fields, type Given } from './given.js';
import { scheduleCommands } from './schedule-commands.js';
import { tapeCommands } from './tape-commands.js';
import { english } from '../../messages/sentence.js';
import { t } from '../../messages/shown.js';

/** What each form asks for, by its path below `actions/`. All of it is what the commands of these names do. */
const commands: Commands = {
  pause: (of) => ({ what: `${t`Pause`} ${of('set')}`, run: (session) => pause(session, of('set')) }),
  resume: (of) => ({ what: `${t`Resume`} ${of('set')}`, run: (session) => resume(session, of('set'), true) }),
  retry: (of) => ({ what: `${t`Retry`} ${of('set')}`, run: (session) => retry(session, of('set'), true) }),
  cancel: (of) => ({
    what: `${t`Cancel`} ${of('set')}`,
    run: (session) =>
      isRetrievalId(of('set')) ? cancelRetrieval(session, of('set')) : cancel(session, of('set'), false),
  }),
  discard: (of) => ({
    what: t`Delete what ${of('set')} has staged`,
    run: async (session) => {
      requireTyped(of('name'), of('set'));
      await cancel(session, of('set'), true);
    },
  }),
  verify: (of) => ({
    what: `${t`Verify`} ${of('subject')}`,
    run: async (session) => startDetached(session, await beginVerify(session, of('subject'))),
  }),
  restore: (of) => restoreOf(of),
  ...tapeCommands,
  ...scheduleCommands,
};

/** Takes what the forms of the page send, and leads back to where they stood. */
export function addActions(app: Hono, site: Site): void {
  app.post(`${site.base}actions/dismiss`, async (context) => {
    const fields = await fieldsOf(context);
    site.actions.dismiss(Number(fields('no')));
    return back(context, site, fields);
  });
  for (const [name, command] of Object.entries(commands))
    app.post(`${site.base}actions/${name}`, async (context) => {
      if (site.isReadOnly)
        return refusal(context, 403, t`This page shows only: commands are given on the command line.`);
      const fields = await fieldsOf(context);
      const { what, run } = command(fields);
      await site.actions.begin(what, async (tell) => {
        const session = site.newSession(tell);
        try {
          await run(session);
        } finally {
          await session.close();
        }
      });
      return back(context, site, fields);
    });
}

async function fieldsOf({ req }: Context): Promise<Fields> {
  const body = await req.parseBody();
  return (name) => {
    const value = body[name];
    return typeof value === 'string' ? value.trim() : '';
  };
}

/** Leads back below the base, whatever the form says. */
function back(context: Context, { base }: Site, of: Fields): Response {
  const { pathname, search } = new URL(`http://page${base}${of('back')}`);
  return context.redirect(pathname.startsWith(base) ? pathname + search : base, 303);
}

function restoreOf(of: Fields): Given {
  const at = decodeName(of('at'));
  const isPreview = of('how') === 'preview';
  const target = of('target');
  const isElsewhere = !target.startsWith('/') && target.includes(':');
  return {
    what: restoreTitle(of('set'), at, target, isPreview),
    run: async (session) => {
      if (!isElsewhere && !target.startsWith('/'))
        throw usageFailure('WrongTarget', english`The folder ${JSON.stringify(target)} is no whole path.`);
      const begun = await beginRestore(session, of('set'), {
        ...(isElsewhere ? { to: target } : { target }),
        include: [],
        ...(at === '' ? {} : { names: [at.replace(/\/$/, '')] }),
        overwrite: of('overwrite'),
        ...{ roomCheck: true, owner: true, ownerMap: [] },
        ...(isPreview ? { dryRun: true } : {}),
      });
      if (begun !== undefined) await startDetached(session, begun);
    },
  };
}

function restoreTitle(setId: string, at: string, target: string, isPreview: boolean): string {
  if (at === '')
    return isPreview
      ? t`What a restore would do: set ${setId} to ${target}`
      : t`Restore: set ${setId} to ${target}`;
  const name = displayPath(toBytes(at));
  return isPreview
    ? t`What a restore would do: ${name} of set ${setId} to ${target}`
    : t`Restore: ${name} of set ${setId} to ${target}`;
}
