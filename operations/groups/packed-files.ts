import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { PackedFile } from '../../catalog/files/packed-files.js';

/**
 * The results for a group's files, kept until the archive is committed: up to a million of them, so they are compressed
 * in batches, to some 70 bytes each instead of 500.
 */
export class PackedFiles implements Iterable<PackedFile> {
  /** Number of files that are not in the archive with their true content. */
  skipped = 0;
  private readonly batches: Buffer[] = [];

  add(batch: readonly PackedFile[]): void {
    for (const file of batch) if (file.state === 'skipped') this.skipped += 1;
    this.batches.push(deflateRawSync(JSON.stringify(batch), { level: 1 }));
  }

  *[Symbol.iterator](): Generator<PackedFile> {
    for (const batch of this.batches) {
      yield* JSON.parse(inflateRawSync(batch).toString('utf8')) as PackedFile[];
    }
  }
}
