/** A step at work in a drive, in this process. */
export interface Work {
  /** What it does, for people: `writeToTape`. */
  name: string;
  /** When it was last heard of, in milliseconds since 1970. */
  heard: number;
  /** It was given up while its drive did not answer: nobody waits for it, and nothing that it does counts. */
  left: boolean;
}

/** By the path of the drive. */
const atWork = new Map<string, Set<Work>>();

/** Notes a step at work in a drive until it has ended, which it does when the drive answers. */
export async function working<Result>(
  drive: string,
  work: Work,
  body: () => Promise<Result>,
): Promise<Result> {
  const all = atWork.get(drive) ?? new Set();
  atWork.set(drive, all.add(work));
  try {
    return await body();
  } finally {
    all.delete(work);
  }
}

/** A step that was left behind in a drive and has not ended; undefined when there is none, and another may begin. */
export function leftIn(drive: string): Work | undefined {
  return [...(atWork.get(drive) ?? [])].find((work) => work.left);
}

/** Every step that is at work in a drive, left behind or not: while there is one, its locks must be kept. */
export function workIn(drive: string): readonly Work[] {
  return [...(atWork.get(drive) ?? [])];
}
