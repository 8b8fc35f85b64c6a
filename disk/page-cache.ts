import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Drops a file from the page cache, so that the next read comes from the medium (like GNU dd's `nocache`). */
export async function dropFromCache(file: string): Promise<void> {
  if (process.platform !== 'linux') return;
  await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0']).catch(() => undefined);
}

/** Makes restored files durable: one call for the whole file system, where the system has it (GNU `sync -f`). */
export async function syncFileSystem(folder: string): Promise<void> {
  await run('sync', process.platform === 'linux' ? ['-f', folder] : []).catch(() => undefined);
}
