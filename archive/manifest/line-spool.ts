import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { onSideSync } from '../../config/sides.js';
import { writeAll } from '../pack/output-file.js';

const maxHeld = 1024 * 1024;

/** Temporary lines in an unlinked file, so that nothing is left behind however the process ends. */
export class LineSpool {
  /** Total bytes of all lines so far. */
  bytes = 0;
  private fd: number | undefined;
  private held: Buffer[] = [];
  private heldBytes = 0;

  /** @param path an unused name; the file is created when it is first needed. */
  constructor(private readonly path: string) {}

  add(line: string): void {
    const bytes = Buffer.from(line);
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    this.bytes += bytes.length;
    if (this.heldBytes >= maxHeld) this.flush();
  }

  /** The lines in a byte range, several per chunk. */
  *lines({ from, to }: { from: number; to: number }): Generator<string> {
    if (from < to) this.flush();
    for (let at = from, rest = Buffer.alloc(0); at < to;) {
      const part = Buffer.allocUnsafe(Math.min(maxHeld, to - at));
      at += onSideSync('catalog', () => readSync(this.file(), part, 0, part.length, at));
      rest = Buffer.concat([rest, part]);
      const end = rest.lastIndexOf('\n') + 1;
      if (end > 0) yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end);
    }
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private flush(): void {
    const all = Buffer.concat(this.held);
    onSideSync('catalog', () => writeAll(this.file(), all));
    this.held = [];
    this.heldBytes = 0;
  }

  private file(): number {
    if (this.fd !== undefined) return this.fd;
    this.fd = openSync(this.path, 'wx+', 0o600);
    unlinkSync(this.path);
    return this.fd;
  }
}
