#include "pool-job.h"

#include <stdlib.h>

static void run(napi_env env, void *data) {
  (void)env;
  struct pool_job *job = data;
  job->run(job);
}

static void release(napi_env env, struct pool_job *job) {
  for (int i = 0; i < 2; i++)
    if (job->kept[i] != NULL) napi_delete_reference(env, job->kept[i]);
  if (job->work != NULL) napi_delete_async_work(env, job->work);
  free(job);
}

static void settle_without_value(napi_env env, napi_status status, struct pool_job *job) {
  napi_value nothing;
  if (napi_get_undefined(env, &nothing) != napi_ok) return;
  if (status == napi_ok) napi_resolve_deferred(env, job->deferred, nothing);
  else napi_reject_deferred(env, job->deferred, nothing);
}

static void settle(napi_env env, napi_status status, void *data) {
  struct pool_job *job = data;
  if (job->settle != NULL) job->settle(env, status, job);
  else settle_without_value(env, status, job);
  release(env, job);
}

napi_value start_pool_job(napi_env env, struct pool_job *job, const char *name, const napi_value arrays[2],
                          const char *problem) {
  napi_value promise, resource;
  int ready = napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource) == napi_ok;
  for (int i = 0; i < 2; i++)
    ready = ready && (arrays[i] == NULL || napi_create_reference(env, arrays[i], 1, &job->kept[i]) == napi_ok);
  ready = ready && napi_create_async_work(env, NULL, resource, run, settle, job, &job->work) == napi_ok &&
          napi_create_promise(env, &job->deferred, &promise) == napi_ok;
  if (!ready || napi_queue_async_work(env, job->work) != napi_ok) {
    release(env, job);
    napi_throw_error(env, NULL, problem);
    return NULL;
  }
  return promise;
}
