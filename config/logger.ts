import { createRequire } from 'node:module';
import path from 'node:path';
import { pino, type Logger, type StreamEntry } from 'pino';
import type pretty from 'pino-pretty';
import { systemErrorCode } from './failures.js';
import type { Settings } from './settings/settings.js';
import { makeReadableFile, makeReadableFolders } from './shared-group.js';

export type { Logger } from 'pino';

/** Bytes of log lines kept in memory while the disk is full; further lines are dropped. */
const maxUnwrittenBytes = 1024 * 1024;
const diskTakesNothing = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/**
 * The log of one process: pino's JSON lines in `LOG_FILE`, or `<data>/logs/<role>.log`; and, with `toTerminal`,
 * readable lines on stderr if that is a terminal, or else JSON lines.
 */
export function createLogger(settings: Settings, role: string, toTerminal = false): Logger {
  const level = settings.LOG_LEVEL;
  const file = settings.LOG_FILE ?? path.join(settings.TAPEFLOW_DATA_DIR, 'logs', `${role}.log`);
  const streamLevel = level === 'silent' ? 'fatal' : level;
  const streams: StreamEntry[] = [];
  const stream = openLogFile(file);
  if (stream !== undefined) streams.push({ level: streamLevel, stream });
  if (toTerminal) {
    const stream = process.stderr.isTTY
      ? prettyLines()({
          destination: 2,
          sync: true,
          colorize: true,
          ignore: 'pid,hostname,role',
          translateTime: 'SYS:HH:MM:ss',
        })
      : pino.destination({ fd: 2, sync: true });
    streams.push({ level: streamLevel, stream });
  }
  return pino({ level, base: { pid: process.pid, role } }, pino.multistream(streams));
}

/** Loaded only for a terminal: most workers have none. */
function prettyLines(): typeof pretty {
  return createRequire(import.meta.url)('pino-pretty') as typeof pretty;
}

/** The file's stream; undefined when its disk takes no new file, so this process writes no log there. */
function openLogFile(file: string) {
  try {
    makeReadableFolders(path.dirname(file));
    makeReadableFile(file);
    const options = { dest: file, append: true, sync: true, maxLength: maxUnwrittenBytes };
    const stream = pino.destination(options);
    // Without a listener, a full disk under the log would end the process. The lines are written once there is room
    // again.
    stream.on('error', () => undefined);
    return stream;
  } catch (error) {
    if (!diskTakesNothing.has(systemErrorCode(error) ?? '')) throw error;
    return undefined;
  }
}
