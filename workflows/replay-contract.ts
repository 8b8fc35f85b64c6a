/**
 * What every history was made with, besides the code: a run that is replayed with another value may issue other
 * commands than stand in its history, and ends. Change none of them without reading "Changing a workflow" in
 * docs/architecture.md. `test/fixtures/histories/replay-contract.json` has the values of the recorded histories.
 *
 * No part of it, since a replay compares neither: how long a timer or a time-out lasts, how a step is retried, on which
 * queue it is, and every text.
 */

/**
 * Events after which a run continues as new, with an empty history. The server suggests it at 4,096 and ends a workflow
 * at 51,200; until a set's window is drained, each of its groups adds up to 16.
 */
export const maxRunEvents = 3000;

/** Maximum number of groups started and not released: more would only cost history while draining. */
export const maxInWindow = 40;

/** How often a group is compressed because its staged bytes were lost, before it is parked. */
export const maxCompressions = 5;

/** Times that a copy reads an archive anew because its staged bytes were lost, before it is given up. */
export const mostFetches = 5;

/** How often the workers of a step may die before it counts as poisonous. */
export const maxDeaths = 20;

/** Groups up to this size are waited for a moment, so that the tape is in order: they take less than a second or two. */
export const smallGroupBytes = 64 * 1024 * 1024;
