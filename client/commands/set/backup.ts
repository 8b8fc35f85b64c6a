import type { Command } from 'commander';
import { requireZstdSupport } from '../../../operations/sets/zstd-support.js';
import { missingNativeNote } from '../../../archive/blocks/native-codec.js';
import { type OpenedSet, openSet } from '../../../catalog/sets/open-set.js';
import { recipientsOf, recipientsShown } from '../../../catalog/sets/recipients.js';
import { rememberSeenSets } from '../../../catalog/sets/set-id.js';
import { setFoldersInDrives } from '../../../tape/files/set-folders.js';
import type { SetRow } from '../../../catalog/rows.js';
import { givenText } from '../../../entry/excludes.js';
import { TapeflowFailure } from '../../../config/failures.js';
import { requireSources } from '../../../source/require-sources.js';
import { prepareServer } from '../../../workers/server/prepare-server.js';
import { resolveTaken } from '../../../source/taken/resolve-taken.js';
import { strayExcludes } from '../../../source/taken/resolve-excludes.js';
import { snapshotOptions } from '../../../operations/sets/set-options.js';
import { usesOwnServer } from '../../../workers/server/own-server.js';
import { tryEncryption } from '../../encryption.js';
import { followSet } from '../../follow/follow-set.js';
import { modeText } from '../../print/set-summary.js';
import { inReadOnlySession, inSession, type Session } from '../../session.js';
import { withServer, type Server } from '../../server.js';
import { startOrFail } from '../../follow/start-or-fail.js';
import { dryRun } from './dry-run.js';
import { awayNote, sourceHost } from '../../source-host.js';
import { backupArguments, type BackupFlags } from './backup-arguments.js';
import { plannedBackup } from './plan-backup.js';
import { english } from '../../../messages/sentence.js';
import { shown, t } from '../../../messages/shown.js';

/** `backup PATH…`: starts a set, or attaches to the unfinished one with these sources, and follows it to its end. */
export function addBackup(program: Command): void {
  backupArguments(program.command('backup')).action((paths: string[], flags: BackupFlags, command: Command) =>
    (flags.dryRun === true ? inReadOnlySession : inSession)(command, (session) =>
      backup(session, paths, flags),
    ),
  );
}

async function backup(session: Session, paths: string[], flags: BackupFlags): Promise<void> {
  const { settings } = session;
  const all = await session.allDrives();
  const { paths: sources, elsewhere, request, ...planned } = plannedBackup(all, paths, flags);
  const taken = resolveTaken(request, sources, elsewhere !== undefined);
  const host = await sourceHost(session, elsewhere);
  // Those of another host are looked at by its worker, before the scan.
  if (elsewhere === undefined)
    await requireSources(settings, taken.sources, taken.excludes, undefined, taken.taken);
  if (taken.list === undefined)
    for (const rule of strayExcludes(taken.excludes, taken.sources))
      session.say(t`The exclude ${givenText(rule)} leads into no source, so that it takes nothing.`);
  await tryEncryption(session, planned.recipients, flags.identity);
  if (flags.dryRun === true) return dryRun(session, { ...planned, host }, taken);
  const away = await awayNote(session, host);
  if (away !== undefined) session.say(shown(away));
  // With your own server the workers may be on another machine.
  if (settings.COMPRESSION === 'zstd' && !usesOwnServer(settings))
    await requireZstdSupport(settings.COMPRESSION_CODEC);
  const catalog = await session.catalog();
  const seen = setFoldersInDrives(settings);
  await withServer(session, async (server) => {
    // Before creating the set, so that an unsuitable server leaves none behind.
    await prepareServer(server);
    await rememberSeenSets(catalog, await seen);
    const opened = await openSet(
      catalog,
      { ...planned, ...taken, host, id: flags.set, options: snapshotOptions(settings, planned) },
      { fresh: flags.new === true },
    );
    const { set, attached } = opened;
    sayOpened(session, opened, flags.mode);
    // With your own server the workers may be on another machine; they say it in their logs.
    const cost =
      attached || usesOwnServer(settings)
        ? undefined
        : await missingNativeNote(settings.COMPRESSION, settings.COMPRESSION_CODEC);
    if (cost !== undefined) session.say(shown(cost));
    await startOrFail(session, server, set, { retry: false });
    if (flags.detach === true) {
      await server.lease?.stay();
      requireNotPaused(set);
      announceDetached(session, set, attached, server);
    } else {
      await followSet(session, server, set, { attached });
    }
  });
}

/** Says which set it is, its base, and how that differs from what was asked for. */
function sayOpened(session: Session, { set, attached, note, others }: OpenedSet, asked: string): void {
  const { id, mode, base_id: base } = set;
  if (attached) {
    session.say(
      asked === mode
        ? t`This is what the unfinished set ${id} backs up, so no other is begun.`
        : t`This is what the unfinished set ${id}, which is ${modeText(mode, base)} backs up, so no other is begun.`,
    );
    return;
  }
  for (const other of others) {
    const differs = other.differs.map(shown).join(t`, and `);
    session.say(
      t`The unfinished set ${other.id} of these sources is another one:
        ${differs}. So set ${id} is begun; each waits for the drive while the other has it.`,
    );
  }
  if (note !== undefined) session.say(shown(note));
  if (set.recipients !== null)
    session.say(t`Set ${id} is encrypted to ${recipientsShown(recipientsOf(set) ?? [])}.`);
  if (base !== null) {
    session.say(t`Set ${id} is ${modeText(mode, base)}: what is unchanged is not stored again.`);
  } else if (asked !== 'full') {
    session.say(whyFull(id, asked, note));
  }
}

function whyFull(id: string, asked: string, note: string | undefined): string {
  if (note !== undefined) return t`Set ${id} is a full one.`;
  return asked === 'differential'
    ? t`There is no completed full set of these sources to build on, so set ${id} is a full one.`
    : t`There is no completed set of these sources to build on, so set ${id} is a full one.`;
}

/** Throws when the attached set is paused: it does nothing until somebody resumes it. */
function requireNotPaused({ id, state }: SetRow): void {
  if (state !== 'paused') return;
  throw new TapeflowFailure('SetPaused', english`The unfinished set ${id} of this backup is paused.`, {
    advice: english`\`tapeflow resume ${id}\` lets it go on, and \`backup --new\` begins another.`,
  });
}

function announceDetached(session: Session, set: SetRow, attached: boolean, { lease }: Server): void {
  const ui = lease?.host.ui;
  if (session.json) {
    session.emit({ setId: set.id, status: set.state, attached, ui: ui ?? null });
    return;
  }
  session.print(attached ? t`The unfinished set ${set.id} goes on.` : t`Set ${set.id} has started.`);
  if (ui !== undefined) session.print(t`Temporal UI: ${ui}`);
  session.print(
    lease === undefined || lease.host.serviceStop !== undefined
      ? t`\`tapeflow watch ${set.id}\` shows it.`
      : t`\`tapeflow watch ${set.id}\` shows it; \`tapeflow down\` stops server and workers.`,
  );
}
