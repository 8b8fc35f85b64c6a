/**
 * The constants on which the commands of a run depend: a run that is replayed with another value may issue other
 * commands than its history has, and ends. Before you change one, read "Changing a workflow" in docs/architecture.md.
 * `test/fixtures/histories/VERSION/replay-contract.json` has the values of the recorded histories.
 *
 * Not part of it, since a replay does not compare them: how long a timer or a time-out lasts, how a step is retried,
 * its queue, and all texts.
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

/** How often a copy reads an archive again because its staged bytes were lost, before it is given up. */
export const maxFetches = 5;

/** How often the workers of a step may die before it counts as poisonous. */
export const maxDeaths = 20;

/** Size in bytes up to which the drive waits a moment for an earlier group: it takes less than a second or two. */
export const smallGroupBytes = 64 * 1024 * 1024;
