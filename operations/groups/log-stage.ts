import type { Stage } from '../../catalog/groups/events.js';
import type { Logger } from '../../config/logger.js';

/** One log line for a key stage of a group: the same fields everywhere. */
export function logStage(
  { logger }: { logger: Logger },
  stage: Stage,
  ref: { setId: string; group: number },
  fields: { archive?: string; bytes?: number; ms?: number; [key: string]: unknown } = {},
): void {
  const level = stage === 'failed' || stage === 'final_timeout' || stage === 'lost' ? 'warn' : 'info';
  logger[level]({ stage, setId: ref.setId, group: ref.group, ...fields }, stage);
}
