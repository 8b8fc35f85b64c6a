/*
 * One block on libuv's pool: a function of JavaScript (input, output, level) that returns a promise of the bytes it has put in
 * the output. The two Uint8Arrays must not be touched until it settles. It throws a RangeError for a wrong level or size.
 */
#pragma once
#include "pool-job.h"

struct block_job {
  struct pool_job job;
  const struct block_call *call;
  const uint8_t *in;
  uint8_t *out;
  size_t bytes, room;
  int level;
  /* What `run` leaves: bytes of the output, or why there are none; `code` is the error's. */
  size_t result;
  const char *code, *problem;
};

struct block_call {
  const char *name;
  /* Of an input. */
  size_t most_bytes;
  /* Bytes that the output of such an input must have room for. */
  size_t (*least_room)(size_t bytes);
  int least_level, most_level;
  /* Runs on a thread of the pool, without JavaScript. */
  void (*run)(struct block_job *job);
};

/* The callback's body: `call` must live for ever. */
napi_value start_block_job(napi_env env, napi_callback_info info, const struct block_call *call);
