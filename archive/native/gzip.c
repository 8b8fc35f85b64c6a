/*
 * libdeflate's compressor:
 *
 *   mostBytes: the most bytes of an input
 *   outputBytes(bytes): bytes that the output of such an input must have room for
 *   gzip(input, output, level): a promise of the bytes of one gzip member (RFC 1952), made on libuv's pool at one of
 *     libdeflate's levels, 0 to 12. The two Uint8Arrays must not be touched until it settles.
 */
#include <stdlib.h>

#include "addon.h"
#include "libdeflate/libdeflate.h"

enum { MOST_BYTES = 1 << 20, MOST_LEVEL = 12 };

/* One for each level and thread of the pool: making one costs some hundred page faults. */
static _Thread_local struct libdeflate_compressor *compressors[MOST_LEVEL + 1];

struct job {
  napi_async_work work;
  napi_deferred deferred;
  /* Keep the two arrays alive. */
  napi_ref kept[2];
  uint8_t *in, *out;
  size_t bytes, room;
  int level;
  /* Bytes of the member; 0 when it could not be made. */
  size_t result;
};

/* With any level, since a larger bound costs nothing. */
static size_t output_bytes(size_t bytes) { return libdeflate_gzip_compress_bound(NULL, bytes); }

static void run(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  struct libdeflate_compressor **compressor = &compressors[job->level];
  if (*compressor == NULL) *compressor = libdeflate_alloc_compressor(job->level);
  if (*compressor != NULL)
    job->result = libdeflate_gzip_compress(*compressor, job->in, job->bytes, job->out, job->room);
}

static void release(napi_env env, struct job *job) {
  for (int i = 0; i < 2; i++)
    if (job->kept[i] != NULL) napi_delete_reference(env, job->kept[i]);
  if (job->work != NULL) napi_delete_async_work(env, job->work);
  free(job);
}

static void settle(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  napi_value value, code, message;
  if (status == napi_ok && job->result > 0) {
    if (napi_create_double(env, (double)job->result, &value) == napi_ok)
      napi_resolve_deferred(env, job->deferred, value);
  } else if (napi_create_string_utf8(env, "ENOMEM", NAPI_AUTO_LENGTH, &code) == napi_ok &&
             napi_create_string_utf8(env, "a block could not be compressed: no memory", NAPI_AUTO_LENGTH, &message) ==
                 napi_ok &&
             napi_create_error(env, code, message, &value) == napi_ok) {
    napi_reject_deferred(env, job->deferred, value);
  }
  release(env, job);
}

static napi_value gzip(napi_env env, napi_callback_info info) {
  napi_value args[3], promise, name;
  size_t count = 3;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    napi_throw_error(env, "ENOMEM", "no memory for a compression");
    return NULL;
  }
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok || count < 3 ||
      !memory_of(env, args[0], 0, &job->in, &job->bytes) || job->bytes > MOST_BYTES ||
      !memory_of(env, args[1], output_bytes(job->bytes), &job->out, &job->room) ||
      napi_get_value_int32(env, args[2], &job->level) != napi_ok || job->level < 0 || job->level > MOST_LEVEL) {
    free(job);
    napi_throw_range_error(env, NULL, "gzip: a wrong level, or buffers that are too small or too large");
    return NULL;
  }
  /* An empty array may have no memory at all. */
  static uint8_t nothing;
  if (job->bytes == 0) job->in = &nothing;
  int ready = napi_create_string_utf8(env, "tapeflow.gzip", NAPI_AUTO_LENGTH, &name) == napi_ok;
  for (int i = 0; i < 2; i++) ready = ready && napi_create_reference(env, args[i], 1, &job->kept[i]) == napi_ok;
  ready = ready && napi_create_async_work(env, NULL, name, run, settle, job, &job->work) == napi_ok &&
          napi_create_promise(env, &job->deferred, &promise) == napi_ok;
  if (!ready || napi_queue_async_work(env, job->work) != napi_ok) {
    release(env, job);
    napi_throw_error(env, NULL, "gzip: the compression could not be started");
    return NULL;
  }
  return promise;
}

static napi_value room_for(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  size_t count = 1;
  uint32_t bytes = 0;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1 ||
      napi_get_value_uint32(env, argument, &bytes) != napi_ok ||
      napi_create_double(env, (double)output_bytes(bytes), &result) != napi_ok) {
    napi_throw_range_error(env, NULL, "outputBytes: not a number of bytes");
    return NULL;
  }
  return result;
}

int init_gzip(napi_env env, napi_value exports) {
  napi_value most;
  return napi_create_double(env, MOST_BYTES, &most) == napi_ok &&
         napi_set_named_property(env, exports, "mostBytes", most) == napi_ok &&
         set_function(env, exports, "outputBytes", room_for) && set_function(env, exports, "gzip", gzip);
}
