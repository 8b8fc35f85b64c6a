import { isRetrievalId } from '../../catalog/retrievals/retrievals.js';
import { isSetId } from '../../catalog/sets/set-id.js';

/** Where a set, a restore, a verify or a copy has its page, below the base. */
export function runPath(id: string): string {
  return `${isRetrievalId(id) ? 'runs' : 'sets'}/${encodeURIComponent(id)}`;
}

/** The page of what a verify or a copy reads: a set, or a tape by its name. */
export function subjectPath(subject: string): string {
  return `${isSetId(subject) ? 'sets' : 'tapes'}/${encodeURIComponent(subject)}`;
}
