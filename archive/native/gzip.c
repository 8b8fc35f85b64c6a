/*
 * libdeflate:
 *
 *   mostBytes: the most bytes of an input
 *   outputBytes(bytes): bytes that the output of such an input must have room for
 *   gzip(input, output, level): one gzip member (RFC 1952) at one of libdeflate's levels, 0 to 12, or of those in
 *     deflate-tuning.h; see block-job.h
 *   gunzip(input, output, 0): what an input holds that is one gzip member and nothing else; its checksum is checked
 */
#include "block-job.h"
#include "deflate-tuning.h"
#include "libdeflate/libdeflate.h"

enum { MOST_BYTES = 1 << 20 };

/* One for each level and thread of the pool: making one costs some hundred page faults. */
static _Thread_local struct libdeflate_compressor *compressors[MOST_LEVEL + 1];

/* With any level, since a larger bound costs nothing. */
static size_t output_bytes(size_t bytes) { return libdeflate_gzip_compress_bound(NULL, bytes); }

static void run(struct block_job *job) {
  struct libdeflate_compressor **compressor = &compressors[job->level];
  if (*compressor == NULL) *compressor = alloc_compressor_at(job->level);
  if (*compressor != NULL)
    job->result = libdeflate_gzip_compress(*compressor, job->in, job->bytes, job->out, job->room);
  if (job->result > 0) return;
  job->code = "ENOMEM";
  job->problem = "a block could not be compressed: no memory";
}

static const struct block_call call = {
    .name = "tapeflow.gzip",
    .most_bytes = MOST_BYTES,
    .least_room = output_bytes,
    .most_level = MOST_LEVEL,
    .run = run,
};

static napi_value gzip(napi_env env, napi_callback_info info) { return start_block_job(env, info, &call); }

static _Thread_local struct libdeflate_decompressor *decompressor;

static size_t any_room(size_t bytes) {
  (void)bytes;
  return 0;
}

static void run_gunzip(struct block_job *job) {
  size_t taken = 0;
  if (decompressor == NULL) decompressor = libdeflate_alloc_decompressor();
  if (decompressor == NULL) {
    job->code = "ENOMEM";
    job->problem = "a block could not be decompressed: no memory";
    return;
  }
  enum libdeflate_result result = libdeflate_gzip_decompress_ex(decompressor, job->in, job->bytes, job->out, job->room,
                                                                &taken, &job->result);
  if (result == LIBDEFLATE_SUCCESS && taken == job->bytes) return;
  job->code = "EBADMSG";
  job->problem = "it is no gzip member of this size";
}

static const struct block_call gunzip_call = {
    .name = "tapeflow.gunzip",
    /* One that could not be compressed at all is a little larger than its content. */
    .most_bytes = 2 * MOST_BYTES,
    .least_room = any_room,
    .run = run_gunzip,
};

static napi_value gunzip(napi_env env, napi_callback_info info) { return start_block_job(env, info, &gunzip_call); }

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
         set_function(env, exports, "outputBytes", room_for) && set_function(env, exports, "gzip", gzip) &&
         set_function(env, exports, "gunzip", gunzip);
}
