import type { Identity } from '../../archive/age/identity-file.js';
import type { RegisterOutcome, TapeContext } from './register-archive.js';

export interface ImportContext extends TapeContext {
  /** Path of a temporary file: a manifest made from its archive. */
  scratch: string;
  /** Called before an archive without a good manifest is read completely, which can take long. */
  say(sentence: string): void;
  identities?: (() => Promise<Identity[] | undefined>) | undefined;
}

/** The outcome for one archive of a tape. */
export interface ArchiveReport {
  setId: string;
  group: number;
  archive: string;
  /** `refused`: nothing was imported. */
  outcome: RegisterOutcome | 'refused';
  entries: number;
  /** True when the archive itself was read, because it lacks a good manifest. */
  fromArchive: boolean;
  /** What is wrong with it, as sentences. */
  trouble: string | null;
  /** True when it contradicts the catalog. */
  contradicts: boolean;
}
