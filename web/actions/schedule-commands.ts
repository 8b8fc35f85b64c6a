import { pauseRuns, resumeRuns, runNow } from '../../client/commands/schedule/schedule.js';
import { t } from '../../messages/shown.js';
import type { Commands } from './given.js';

/** What can be told to a schedule. */
export const scheduleCommands: Commands = {
  'schedule-run': (of) => ({
    what: t`Run schedule ${of('schedule')} now`,
    run: (session) => runNow(session, of('schedule')),
  }),
  'schedule-pause': (of) => ({
    what: t`Pause schedule ${of('schedule')}`,
    run: (session) => pauseRuns(session, of('schedule')),
  }),
  'schedule-resume': (of) => ({
    what: t`Resume schedule ${of('schedule')}`,
    run: (session) => resumeRuns(session, of('schedule')),
  }),
};
