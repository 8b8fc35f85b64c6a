import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { pino, type Logger, type StreamEntry } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from './settings.js';

export type { Logger } from 'pino';

/**
 * The log of one process: pino's JSON lines in `LOG_FILE`, or `<data>/logs/<role>.log`; and, when `toTerminal` is asked
 * for, readable lines on stderr if that is a terminal, JSON lines if it is not.
 */
export function createLogger(settings: Settings, role: string, toTerminal = false): Logger {
  const level = settings.LOG_LEVEL;
  const file = settings.LOG_FILE ?? path.join(settings.TAPEFLOW_DATA_DIR, 'logs', `${role}.log`);
  mkdirSync(path.dirname(file), { recursive: true });
  const streamLevel = level === 'silent' ? 'fatal' : level;
  const streams: StreamEntry[] = [
    { level: streamLevel, stream: pino.destination({ dest: file, append: true, sync: true }) },
  ];
  if (toTerminal) {
    const stream = process.stderr.isTTY
      ? pretty({
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
