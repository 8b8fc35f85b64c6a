import { closeSync, constants, lstatSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { exactText, fromText, toBytes } from '../../entry/byte-string.js';
import { partName, type RestoreJob } from './stale-parts.js';

/** What a file system takes for the same name: both are false on the usual ones of Linux. */
export interface NameTraits {
  /** `README` and `readme`. */
  case: boolean;
  /** The two ways to write `é` in Unicode. */
  form: boolean;
}

/** A folder of a target in which names are tried, so that its file system itself says which of them are one. */
export class NameProbe {
  private readonly folder: string;

  /**
   * Throws where the target accepts no folders.
   *
   * @param job the restore whose attempts the folder goes with; without one its name is random.
   */
  constructor(target: string, job?: RestoreJob) {
    this.folder =
      job === undefined ? mkdtempSync(`${target}/.tapeflow-names-`) : `${target}/${partName(job, 'names')}`;
    if (job !== undefined) mkdirSync(this.folder, 0o700);
  }

  traits(): NameTraits {
    return { case: this.areOne('a', 'A'), form: this.areOne(fromText('\u00e9'), fromText('e\u0301')) };
  }

  /** True when the target takes two names, byte strings without a `/`, for one. */
  areOne(one: string, other: string): boolean {
    // A folder for each pair: a system may remember that a name was not there.
    const folder = mkdtempSync(`${this.folder}/`);
    const path = (name: string) => toBytes(`${fromText(folder)}/${name}`);
    try {
      closeSync(openSync(path(one), constants.O_WRONLY | constants.O_CREAT, 0o600));
      return lstatSync(path(other), { throwIfNoEntry: false }) !== undefined;
    } catch {
      // A name that it does not take at all is reported when it is restored.
      return false;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A text that is the same for all names that a file system with these traits may take for one; others may have it. */
export function foldedName(name: string, traits: NameTraits): string {
  if (!traits.case && !traits.form) return name;
  let text = exactText(name) ?? name;
  if (traits.form) text = text.normalize('NFD');
  // Upper case first: `ß` and `ss`, and the two small sigmas.
  return traits.case ? text.toUpperCase().toLowerCase() : text;
}
