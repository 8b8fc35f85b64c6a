/** Exit codes of every command. */
export const exitCodes = {
  success: 0,
  failure: 1,
  usage: 2,
  /** Completed, with files listed as skipped, or restored without their owner, mode or times. */
  skipped: 3,
  /** Ended by Ctrl-C: 128 + SIGINT, as in shells. */
  interrupted: 130,
} as const;
