import { TapeflowFailure } from '../../config/failures.js';
import type { Catalog } from '../open-catalog.js';
import { planCopies } from './plan/plan-copies.js';
import { planVerify } from './plan/plan-verify.js';
import { nothingOnTape, subjectOf } from './retrieval-subject.js';
import { openSlice, overdueFailure, type SliceRequest } from './slices.js';
import { insertRetrieval, unfinishedRetrievalLike, type NewRetrieval } from './retrievals.js';
import type { RetrievalRow } from '../rows.js';

/** What a `verify` or `tape copy` is asked for, besides its subject. */
export type ReadRequest =
  | {
      kind: 'verify';
      drive: string;
      /** 1: any drive that has the tape. */ any_drive?: number;
      /** Percentage of the archives to read. */ percent: number;
      /** Path of a file of identities. */ identity?: string;
      /** Not a set or a tape, but what is due on all tapes. */ slice?: SliceRequest;
    }
  | {
      kind: 'copy';
      drive: string;
      /** 1: reads in any drive that has the tape. */ any_drive?: number;
      /** Null: writes in any drive that has a tape for it. */ toDrive: string | null;
      pool: string;
    };

/** A new verify or copy, or the unfinished one with the same arguments. */
export interface OpenedRead {
  row: RetrievalRow;
  attached: boolean;
}

/**
 * Creates a verify or a copy, or finds an unfinished one with the same arguments. Fails when there is nothing to read.
 *
 * @param subject a set, or a tape by its name.
 * @param loaded returns the UUIDs of the tapes in the drives; called only when needed.
 * @returns for a copy also the number of archives already on tapes of the pool, if that is all of them.
 */
export async function openRead(
  catalog: Catalog,
  subject: string,
  reading: ReadRequest,
  loaded: () => Promise<string[]>,
): Promise<OpenedRead | { there: number }> {
  if (reading.kind === 'verify' && reading.slice !== undefined) {
    const { slice, drive, any_drive = 0, identity: identity_file = null } = reading;
    const { row, attached, away } = await openSlice(
      catalog,
      slice,
      { drive, any_drive, identity_file },
      loaded,
    );
    if (row !== undefined) return { row, attached };
    const failure = overdueFailure(away, reading.slice.text);
    if (failure !== undefined) throw failure;
    return { there: 0 };
  }
  return reading.kind === 'verify'
    ? openVerify(catalog, subject, reading)
    : openCopy(catalog, subject, reading, loaded);
}

/** The same for a verify, which always reads something. */
export async function openVerify(
  catalog: Catalog,
  subject: string,
  { drive, any_drive = 0, percent, identity }: Extract<ReadRequest, { kind: 'verify' }>,
): Promise<OpenedRead> {
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    ...{ kind: 'verify', subject, drive, any_drive, target: null, overwrite: 'never', selection: '{}' },
    ...(identity === undefined ? {} : { identity_file: identity }),
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) return { row: unfinished, attached: true };
  const archives = await planVerify(catalog, what, percent);
  if (archives.length === 0) throw await nothingOnTape(catalog, 'NothingToVerify', subject, what);
  return { row: await insertRetrieval(catalog, wanted, archives, []), attached: false };
}

async function openCopy(
  catalog: Catalog,
  subject: string,
  { drive, any_drive = 0, toDrive, pool }: Extract<ReadRequest, { kind: 'copy' }>,
  loaded: () => Promise<string[]>,
): Promise<OpenedRead | { there: number }> {
  const what = await subjectOf(catalog, subject);
  const wanted: NewRetrieval = {
    ...{ kind: 'copy', subject, drive, any_drive, to_drive: toDrive, target: null },
    ...{ overwrite: 'never', selection: JSON.stringify({ pool }) },
  };
  const unfinished = await unfinishedRetrievalLike(catalog, wanted);
  if (unfinished !== undefined) return { row: unfinished, attached: true };
  const plan = await planCopies(catalog, what, pool, await loaded());
  if (plan.archives.length > 0)
    return { row: await insertRetrieval(catalog, wanted, plan.archives, plan.problems), attached: false };
  const [problem] = plan.problems;
  if (problem !== undefined) throw new TapeflowFailure('NothingToCopy', problem.reason);
  if (plan.there === 0) throw await nothingOnTape(catalog, 'NothingToCopy', subject, what);
  return { there: plan.there };
}
