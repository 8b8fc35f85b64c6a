import { sourcePathOf } from '../../entry/member-name.js';
import { ThreadWatch } from '../../disk/thread-watch.js';
import {
  type GoneMember,
  lackReason,
  type PackedMember,
  type PlannedMember,
  type SkippedMember,
  type UnchangedMember,
} from '../../entry/member.js';
import type { ManifestEnd } from '../../entry/manifest-content.js';
import { Seal } from '../age/seal.js';
import { openCodec, type BlockCodec } from '../blocks/block-codec.js';
import { BlockWriter } from '../blocks/block-writer.js';
import { encodeHeaders } from '../tar/tar-header.js';
import { recordBytes } from '../tar/tar-records.js';
import { ContentHash } from './content-hash.js';
import { FileMembers } from './file-member.js';
import { HeldFiles } from './held-file.js';
import { ManifestOutput } from './manifest-output.js';
import { OutputFile } from './output-file.js';
import type { PackedBatch, PackEntry, PackOptions, PackOutcome, PackProgress } from './pack-options.js';
import { addPlainMember } from './plain-member.js';
import { SmallFiles } from './small-files.js';
import { SkipEntry } from './source-file.js';

/** Thrown when `shouldStop` returns true. */
class PackStopped extends Error {}

/**
 * Packs entries into a new archive with its manifest; both are synced when `finish` returns. Everything except
 * compression is synchronous, so run it in a separate thread. A bad entry is skipped with its reason; an output error
 * is thrown and keeps its `code`.
 */
export class Packer {
  readonly progress: PackProgress = { bytesIn: 0, bytesOut: 0, files: 0 };
  private readonly tar: BlockWriter;
  private readonly files: FileMembers;
  private readonly small: SmallFiles;
  private readonly held: HeldFiles;
  /** Entries that were come to so far. */
  private entries = 0;
  private begun = false;

  /**
   * Creates both files. `shouldStop` is checked before each entry and each block. Throws `FormatUnsupported` when zstd
   * is not available. `watch` is told what the packer reads and writes.
   */
  static async open(
    options: PackOptions,
    shouldStop: () => boolean,
    watch = new ThreadWatch(),
  ): Promise<Packer> {
    const { side = 'staging', codec: choice = 'auto' } = options;
    const codec = await openCodec(options.format ?? 'gzip', options.level, choice);
    const { recipients, manifestPath } = options;
    const seal = recipients === undefined ? undefined : await Seal.to(recipients);
    const archive = new OutputFile(options.archivePath, side, watch);
    try {
      const manifest = await ManifestOutput.open(manifestPath, side, choice, watch, recipients);
      return new Packer(options, shouldStop, watch, codec, archive, manifest, seal);
    } catch (error) {
      archive.abandon();
      throw error;
    }
  }

  private constructor(
    private readonly options: PackOptions,
    private readonly shouldStop: () => boolean,
    private readonly watch: ThreadWatch,
    private readonly codec: BlockCodec,
    private readonly archive: OutputFile,
    private readonly manifest: ManifestOutput,
    private readonly seal: Seal | undefined,
  ) {
    const { inFlight, maxBytes, codec: choice = 'auto' } = options;
    const { progress } = this;
    const tar = new BlockWriter({ codec, inFlight, write: (chunk) => archive.write(chunk), seal });
    this.tar = tar;
    const content = new ContentHash(() => {
      this.checkStop();
      watch.moved();
    });
    const checkStop = () => this.checkStop();
    const packing = { tar, progress, maxBytes, codec: choice, content, checkStop };
    this.files = new FileMembers(packing);
    this.small = new SmallFiles(packing);
    this.held = new HeldFiles(choice, content);
  }

  /**
   * Adds entries in order; those held by an earlier archive, and what is gone, are only listed. Returns what was stored
   * and what was skipped, those that are not whole in both, and which of the planned files proved to be held by an
   * earlier archive.
   */
  async add(planned: readonly PackEntry[]): Promise<PackedBatch> {
    if (!this.begun) await this.manifest.begin(this.options.manifestHeader);
    this.begun = true;
    const packed: PackedMember[] = [];
    const kept: UnchangedMember[] = [];
    const unchanged: UnchangedMember[] = [];
    const skipped: SkippedMember[] = [];
    const gone: GoneMember[] = [];
    for (let at = 0; at < planned.length;) {
      this.checkStop();
      this.watch.reads(this.entries + 1);
      const small = await this.small.add(planned, at);
      if (small.length > 0) {
        for (const member of small) packed.push(member);
        at += small.length;
        this.entries += small.length;
        continue;
      }
      const entry = planned[at];
      if (entry === undefined) break;
      at += 1;
      this.entries += 1;
      if ('isGone' in entry) {
        gone.push(entry);
        continue;
      }
      if ('set' in entry) {
        kept.push(entry);
        await this.linkNewName(entry);
        continue;
      }
      const { held } = entry;
      const same = held === undefined ? undefined : await this.held.same({ ...entry, held });
      if (same !== undefined) {
        unchanged.push(same);
        await this.linkNewName(same);
        continue;
      }
      const stored = await this.addOrSkip(entry);
      if (typeof stored === 'string') {
        skipped.push({ name: entry.name, reason: stored });
        continue;
      }
      packed.push(stored);
      if (entry.unlisted !== undefined) stored.flags.push('unlisted');
      const lacks = entry.unlisted ?? lackReason(stored.flags) ?? stored.lacks;
      if (lacks !== undefined) skipped.push({ name: entry.name, reason: lacks });
    }
    await this.manifest.add([...kept, ...unchanged], packed);
    await this.manifest.addGone(gone);
    await this.manifest.addSkipped(skipped);
    this.progress.files += packed.length;
    this.progress.bytesOut = this.tar.bytesOut;
    return { packed, unchanged, skipped };
  }

  /** Ends and syncs the archive and the manifest. `alsoSkipped`: skipped entries that were not passed to `add`. */
  async finish(alsoSkipped: readonly SkippedMember[]): Promise<PackOutcome> {
    this.checkStop();
    this.watch.rests();
    if (!this.begun) await this.add([]);
    // Two zero records end an archive; tar's blocking pads it to 10 KiB.
    const end = this.tar.position + 2 * recordBytes;
    const blocking = 20 * recordBytes;
    await this.tar.writeZeros(Math.ceil(end / blocking) * blocking - this.tar.position);
    const tarBytes = this.tar.position;
    const sha256 = await this.tar.end();
    this.checkStop();
    this.archive.finish();
    await this.manifest.addSkipped(alsoSkipped);
    const archive: ManifestEnd = {
      members: this.progress.files,
      skipped: this.manifest.skipped,
      kept: this.manifest.kept,
      ...this.changesCounted(alsoSkipped.length),
      bytesIn: this.progress.bytesIn - this.files.superseded,
      size: this.tar.bytesOut,
      sha256,
      tarBytes,
      blockBytes: this.codec.blockBytes,
      blocks: this.tar.blockSizes,
      ...(this.seal === undefined ? {} : { ageHeader: this.seal.begin.toString('base64') }),
    };
    return { archive, manifest: await this.manifest.finish(archive) };
  }

  /** What the end of a manifest says of what is gone, and of unchanged files that have no line. */
  private changesCounted(alsoSkipped: number): Pick<ManifestEnd, 'gone' | 'unchanged'> {
    const { manifestHeader, groupEntries = 0 } = this.options;
    if (manifestHeader.changes === undefined) return {};
    const { gone } = this.manifest;
    return { gone, unchanged: groupEntries - (this.entries - gone) - alsoSkipped };
  }

  /** Closes both files as they are, ignoring errors; for a failed attempt. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.tar.abandon(), this.manifest.abandon()]);
    this.archive.abandon();
  }

  /**
   * A further name of a file that an earlier archive holds is a link to it in this one too, for those who restore with
   * tar: the other archive has no such name.
   */
  private async linkNewName(entry: UnchangedMember): Promise<void> {
    const linkTarget = entry.hardLinkOf ?? entry.linkTarget;
    if (entry.isNewName === true && linkTarget !== null)
      await this.tar.write(
        encodeHeaders({ ...entry, type: 'link', linkTarget, size: 0, storedSize: undefined }),
      );
  }

  private checkStop(): void {
    if (this.shouldStop()) throw new PackStopped('stopped');
  }

  /** The member as stored, or the reason why it was skipped. */
  private async addOrSkip(entry: PlannedMember): Promise<PackedMember | string> {
    const start = this.tar.position;
    let stored: PackedMember | string;
    try {
      const path = sourcePathOf(entry.name, process.platform);
      const { type } = entry;
      if (type === 'file') stored = await this.files.add(entry, path);
      else stored = await addPlainMember(this.tar, entry, type, path);
    } catch (error) {
      if (!(error instanceof SkipEntry)) throw error;
      stored = error.message;
    }
    if (typeof stored === 'string' && this.tar.position !== start)
      throw new Error(`a skipped entry left bytes in the archive: ${entry.name}`);
    return stored;
  }
}
