import { onSide } from '../../config/sides.js';
import type { TarSource } from '../readers/tar-source.js';
import type { MemberPlacer } from './member-placer.js';
import { salvageable, salvageStep, salvageText, writeSalvaged } from './salvage.js';
import type { UnpackOptions, Unpacked, WantedMember } from './unpack-options.js';

/** How the archive is read for a salvage. */
export interface SalvageReading {
  /** Reads with a reader of its own, which begins at the start. */
  fromStart<Result>(read: (source: TarSource) => Promise<Result>): Promise<Result>;
  /** Throws when the work is to stop. */
  check(): void;
  /** The result of a member that could not be salvaged; rethrows what concerns more than it. */
  failureOf(name: string, error: unknown): Unpacked;
}

/** The last resort for damaged files of an archive: what can be read of them, where no other copy is left. */
export class Salvager {
  /** What is said of the files that were salvaged, by name. */
  private readonly reasons = new Map<string, string>();

  constructor(
    private readonly options: Pick<UnpackOptions, 'lastCopy' | 'format' | 'index'>,
    private readonly placer: MemberPlacer,
    private readonly reading: SalvageReading,
  ) {}

  /** What is said of another name of a salvaged file, which is no better; undefined for all others. */
  reasonOf({ linkTarget }: WantedMember): string | undefined {
    return this.reasons.get(linkTarget ?? '');
  }

  /** True when what is in a file's place can be what an earlier attempt or restore has salvaged of it. */
  mayLieThere(member: WantedMember): boolean {
    return (
      this.options.lastCopy === true && member.refused === undefined && this.placer.existing.looksLike(member)
    );
  }

  /**
   * Restores what can be read of a file.
   *
   * @param before its result so far, which stands when nothing can be salvaged.
   */
  async salvage(member: WantedMember, before: Unpacked): Promise<Unpacked> {
    const { placer, reading } = this;
    const { name, size, linkTarget, linkOffset } = member;
    const first = linkTarget === null ? member.offset : linkOffset;
    if (first === null) return before;
    const step = salvageStep(this.options);
    const check = () => reading.check();
    try {
      const found = await reading.fromStart((source) => salvageable(source, member, first, step, check));
      if (found === undefined) return before;
      const placed = await onSide('target', () =>
        placer.putFile({ ...member, sha256: found.sha256 }, found.map, (fd) =>
          reading.fromStart((source) => writeSalvaged(source, found, size, step, fd, check)),
        ),
      );
      const reason = salvageText(member, found);
      if (reason === undefined || placed.outcome === 'kept')
        return { name, ...placed, bytes: size, ...(before.damaged === true ? { damaged: true } : {}) };
      this.reasons.set(name, reason);
      return { name, ...placed, bytes: size, reason, damaged: true, salvaged: true };
    } catch (error) {
      const later = reading.failureOf(name, error);
      if (before.damaged !== true) return before;
      return { ...before, reason: `${before.reason ?? ''}; ${later.reason ?? ''}` };
    }
  }
}
