import type { ManifestEntry, ManifestSummary } from '../../entry/manifest-content.js';

/** A manifest as a file; `sha256` in hex. */
export interface ManifestFile {
  size: number;
  sha256: string;
}

/** An archive found on a tape, with its manifest: the one beside it, or one made from the archive. */
export interface FoundArchive {
  setId: string;
  group: number;
  /** Reads the entries to import; `facts` is the result of a first pass over the same file. */
  entries(): AsyncIterable<ManifestEntry>;
  facts: ManifestSummary;
  /** The manifest on the tape; null when none is intact and says more than the archive does. */
  manifest: ManifestFile | null;
  /** The manifest beside this copy, whatever it says; null when none is intact. */
  beside: ManifestFile | null;
  createdAt: number;
}
