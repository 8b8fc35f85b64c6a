import { Seal } from '../age/seal.js';
import { openCodec } from '../blocks/block-codec.js';
import { BlockWriter } from '../blocks/block-writer.js';
import {
  endLine,
  goneLine,
  headerLine,
  memberLine,
  skippedLine,
  unchangedLine,
} from '../manifest/manifest.js';
import type { ThreadWatch } from '../../disk/thread-watch.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import type { ManifestEnd, ManifestHeader } from '../../entry/manifest-content.js';
import type { GoneMember, PackedMember, SkippedMember, UnchangedMember } from '../../entry/member.js';
import { OutputFile, type OutputSide } from './output-file.js';

/** Compression level of the manifest. */
const level = 6;

/** The manifest of an archive that is being packed: a new file, whose lines are compressed as they come. */
export class ManifestOutput {
  /** Entries listed as skipped, and as held by an earlier archive. */
  skipped = 0;
  kept = 0;
  /** Files of the base that are gone. */
  gone = 0;

  private constructor(
    private readonly file: OutputFile,
    private readonly list: BlockWriter,
  ) {}

  /** Creates the file, which must not exist. With recipients it is encrypted to them. */
  static async open(
    path: string,
    side: OutputSide,
    codecChoice: CodecChoice,
    watch: ThreadWatch,
    recipients: readonly string[] | undefined,
  ): Promise<ManifestOutput> {
    const codec = await openCodec('gzip', level, codecChoice);
    const seal = recipients === undefined ? undefined : await Seal.to(recipients);
    const file = new OutputFile(path, side, watch);
    const list = new BlockWriter({ codec, inFlight: 2, write: (chunk) => file.write(chunk), seal });
    return new ManifestOutput(file, list);
  }

  /** The first line. */
  async begin(header: ManifestHeader): Promise<void> {
    await this.write(headerLine(header));
  }

  /** Lists entries that earlier archives hold, and then members of this one. */
  async add(kept: readonly UnchangedMember[], packed: readonly PackedMember[]): Promise<void> {
    let lines = '';
    for (const entry of kept) lines += unchangedLine(entry);
    for (const member of packed) lines += memberLine(member);
    this.kept += kept.length;
    await this.write(lines);
  }

  async addGone(gone: readonly GoneMember[]): Promise<void> {
    this.gone += gone.length;
    if (gone.length > 0) await this.write(gone.map(goneLine).join(''));
  }

  async addSkipped(skipped: readonly SkippedMember[]): Promise<void> {
    this.skipped += skipped.length;
    for (const entry of skipped) await this.write(skippedLine(entry));
  }

  /** Writes the last line and syncs the file. */
  async finish(end: ManifestEnd): Promise<{ size: number; sha256: string }> {
    await this.write(endLine(end));
    const sha256 = await this.list.end();
    this.file.finish();
    return { size: this.list.bytesOut, sha256 };
  }

  /** Closes the file as it is, ignoring errors. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.list.abandon()]);
    this.file.abandon();
  }

  private async write(lines: string): Promise<void> {
    await this.list.write(Buffer.from(lines));
  }
}
