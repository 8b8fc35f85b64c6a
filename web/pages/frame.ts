import type { Action } from '../actions/actions.js';

/** What every page knows of the request that it answers. */
export interface Frame {
  /** The folder of all addresses, with a slash at both ends. */
  base: string;
  /** Which of the places in the head it belongs to. */
  at: string;
  /** Its own address, below the base: where a form leads back to. */
  back: string;
  /** What forms prove themselves with. */
  form: string;
  host: string;
  isReadOnly: boolean;
  actions: readonly Action[];
}
