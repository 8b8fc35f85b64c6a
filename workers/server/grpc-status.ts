/** Status codes of gRPC (`google/rpc/code.proto`). */
export const grpc = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** The gRPC status of a client error or its causes; undefined: there is none. */
export function grpcStatus(error: unknown): number | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && typeof cause.code === 'number') return cause.code;
  return undefined;
}

/** True when a server did not answer or is overloaded: the same call may succeed later. */
export function isServerUnavailable(error: unknown): boolean {
  const { CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE } = grpc;
  return hasStatus(error, [CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE]);
}

/** True when a server does not know the caller, or does not let them do that. */
export function isRefusal(error: unknown): boolean {
  return hasStatus(error, [grpc.PERMISSION_DENIED, grpc.UNAUTHENTICATED]);
}

function hasStatus(error: unknown, statuses: readonly number[]): boolean {
  return statuses.includes(grpcStatus(error) ?? -1);
}
