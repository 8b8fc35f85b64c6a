/* One job on libuv's pool, for which JavaScript has a promise: what block-job.c, read-files.c and write-files.c share. */
#pragma once
#include "addon.h"

/* Begins the job's own struct, which `calloc` has made; that is freed when the promise has settled. */
struct pool_job {
  /* Runs on a thread of the pool, without JavaScript. */
  void (*run)(struct pool_job *job);
  /* Settles `deferred` afterwards. NULL: to undefined, or a rejection when the job was not run. */
  void (*settle)(napi_env env, napi_status status, struct pool_job *job);
  napi_deferred deferred;
  /* Keep arrays alive; NULL where there is none. */
  napi_ref kept[2];
  napi_async_work work;
};

/*
 * Queues the job and returns its promise. `arrays`: what it works on, which must not be touched until it settles, or NULL.
 * When that fails, the job is freed, and `problem` is thrown.
 */
napi_value start_pool_job(napi_env env, struct pool_job *job, const char *name, const napi_value arrays[2],
                          const char *problem);
