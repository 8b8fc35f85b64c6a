#include "block-job.h"

#include <stdlib.h>

static void run(struct pool_job *job) {
  struct block_job *block = (struct block_job *)job;
  block->call->run(block);
}

static void settle(napi_env env, napi_status status, struct pool_job *pool_job) {
  struct block_job *job = (struct block_job *)pool_job;
  napi_value value, code, message;
  if (status != napi_ok) {
    job->code = "ECANCELED";
    job->problem = "it was not done";
  }
  if (job->problem == NULL) {
    if (napi_create_double(env, (double)job->result, &value) == napi_ok)
      napi_resolve_deferred(env, pool_job->deferred, value);
  } else if (napi_create_string_utf8(env, job->code, NAPI_AUTO_LENGTH, &code) == napi_ok &&
             napi_create_string_utf8(env, job->problem, NAPI_AUTO_LENGTH, &message) == napi_ok &&
             napi_create_error(env, code, message, &value) == napi_ok) {
    napi_reject_deferred(env, pool_job->deferred, value);
  }
}

static int read_arguments(napi_env env, napi_callback_info info, napi_value args[3], struct block_job *job) {
  size_t count = 3;
  uint8_t *in;
  const struct block_call *call = job->call;
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok || count < 3) return 0;
  if (!memory_of(env, args[0], 0, &in, &job->bytes) || job->bytes > call->most_bytes) return 0;
  if (!memory_of(env, args[1], call->least_room(job->bytes), &job->out, &job->room)) return 0;
  if (napi_get_value_int32(env, args[2], &job->level) != napi_ok) return 0;
  /* An empty array may have no memory at all. */
  static const uint8_t nothing;
  job->in = job->bytes == 0 ? &nothing : in;
  return job->level >= call->least_level && job->level <= call->most_level;
}

napi_value start_block_job(napi_env env, napi_callback_info info, const struct block_call *call) {
  napi_value args[3];
  struct block_job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    napi_throw_error(env, "ENOMEM", "no memory for a block");
    return NULL;
  }
  job->call = call;
  if (!read_arguments(env, info, args, job)) {
    free(job);
    napi_throw_range_error(env, NULL, "a wrong level, or buffers that are too small or too large");
    return NULL;
  }
  job->job.run = run;
  job->job.settle = settle;
  return start_pool_job(env, &job->job, call->name, args, "a block could not be begun");
}
