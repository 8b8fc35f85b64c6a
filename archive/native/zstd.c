/*
 * zstd's compressor and decompressor:
 *
 *   zstdCompress(input, output, level): one frame (RFC 8878) with its content's size and XXH64 checksum, at a level of 1 to 19;
 *     the output has room for 1/128 more than the input and 1 KiB; see block-job.h
 *   zstdDecompress(input, output, 0): what one frame holds, checked; a code of EBADMSG says that it is damaged or larger
 *   zstdStream(): a reader of any frames, one after the other
 *   zstdRead(stream, input, output): [taken, given], the bytes of the input that it has read, and of the output that it has
 *     filled; throws EBADMSG when the frame is damaged. Synchronous, for the thread that reads
 *   zstdEnded(stream): true between two frames
 */
#include <stdlib.h>

#include "block-job.h"
#include "zstd/lib/zstd.h"

enum { MOST_BYTES = 1 << 24, MOST_LEVEL = 19 };

/* One for each thread of the pool; a context keeps its memory for the next block. */
static _Thread_local ZSTD_CCtx *compressor;
static _Thread_local ZSTD_DCtx *decompressor;

/* At least ZSTD_compressBound: with that much room nothing but memory can be lacking. */
static size_t compressed_room(size_t bytes) { return bytes + bytes / 128 + 1024; }
static size_t any_room(size_t bytes) {
  (void)bytes;
  return 0;
}

static void finish(struct block_job *job, size_t result, const char *code) {
  if (ZSTD_isError(result)) {
    job->code = code;
    job->problem = ZSTD_getErrorName(result);
  } else {
    job->result = result;
  }
}

static void no_memory(struct block_job *job) {
  job->code = "ENOMEM";
  job->problem = "no memory for zstd";
}

static void compress(struct block_job *job) {
  if (compressor == NULL) compressor = ZSTD_createCCtx();
  if (compressor == NULL) {
    no_memory(job);
    return;
  }
  size_t result = ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, job->level);
  if (!ZSTD_isError(result)) result = ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
  if (!ZSTD_isError(result)) result = ZSTD_compress2(compressor, job->out, job->room, job->in, job->bytes);
  finish(job, result, "ENOMEM");
}

static void decompress(struct block_job *job) {
  if (decompressor == NULL) decompressor = ZSTD_createDCtx();
  if (decompressor == NULL)
    no_memory(job);
  else
    finish(job, ZSTD_decompressDCtx(decompressor, job->out, job->room, job->in, job->bytes), "EBADMSG");
}

static const struct block_call compress_call = {
    .name = "tapeflow.zstdCompress",
    .most_bytes = MOST_BYTES,
    .least_room = compressed_room,
    .least_level = 1,
    .most_level = MOST_LEVEL,
    .run = compress,
};

static const struct block_call decompress_call = {
    .name = "tapeflow.zstdDecompress",
    .most_bytes = MOST_BYTES,
    .least_room = any_room,
    .run = decompress,
};

static napi_value zstd_compress(napi_env env, napi_callback_info info) {
  return start_block_job(env, info, &compress_call);
}

static napi_value zstd_decompress(napi_env env, napi_callback_info info) {
  return start_block_job(env, info, &decompress_call);
}

struct stream {
  ZSTD_DCtx *context;
  /* What ZSTD_decompressStream returned last: 0 between two frames. */
  size_t hint;
};

static void free_stream(napi_env env, void *data, void *unused) {
  (void)env;
  (void)unused;
  struct stream *stream = data;
  ZSTD_freeDCtx(stream->context);
  free(stream);
}

static napi_value zstd_stream(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  struct stream *stream = calloc(1, sizeof *stream);
  if (stream != NULL) stream->context = ZSTD_createDCtx();
  if (stream == NULL || stream->context == NULL ||
      napi_create_external(env, stream, free_stream, NULL, &value) != napi_ok) {
    if (stream != NULL) free_stream(env, stream, NULL);
    napi_throw_error(env, "ENOMEM", "no memory for zstd");
    return NULL;
  }
  return value;
}

static struct stream *stream_of(napi_env env, napi_value value) {
  napi_valuetype type;
  void *data = NULL;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external ||
      napi_get_value_external(env, value, &data) != napi_ok)
    return NULL;
  return data;
}

static int set_number(napi_env env, napi_value array, uint32_t index, size_t number) {
  napi_value value;
  return napi_create_double(env, (double)number, &value) == napi_ok &&
         napi_set_element(env, array, index, value) == napi_ok;
}

static napi_value zstd_read(napi_env env, napi_callback_info info) {
  napi_value args[3], result;
  size_t count = 3, in_bytes, room;
  uint8_t *in, *out;
  struct stream *stream = NULL;
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 3)
    stream = stream_of(env, args[0]);
  if (stream == NULL || !memory_of(env, args[1], 0, &in, &in_bytes) || !memory_of(env, args[2], 1, &out, &room)) {
    napi_throw_range_error(env, NULL, "zstdRead: no stream, or no buffers");
    return NULL;
  }
  ZSTD_inBuffer input = {in, in_bytes, 0};
  ZSTD_outBuffer output = {out, room, 0};
  stream->hint = ZSTD_decompressStream(stream->context, &output, &input);
  if (ZSTD_isError(stream->hint)) {
    napi_throw_error(env, "EBADMSG", ZSTD_getErrorName(stream->hint));
    return NULL;
  }
  if (napi_create_array_with_length(env, 2, &result) != napi_ok || !set_number(env, result, 0, input.pos) ||
      !set_number(env, result, 1, output.pos)) {
    napi_throw_error(env, NULL, "zstdRead: no result");
    return NULL;
  }
  return result;
}

static napi_value zstd_ended(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  size_t count = 1;
  struct stream *stream = NULL;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count == 1)
    stream = stream_of(env, argument);
  if (stream == NULL || napi_get_boolean(env, stream->hint == 0, &result) != napi_ok) {
    napi_throw_range_error(env, NULL, "zstdEnded: no stream");
    return NULL;
  }
  return result;
}

int init_zstd(napi_env env, napi_value exports) {
  return set_function(env, exports, "zstdCompress", zstd_compress) &&
         set_function(env, exports, "zstdDecompress", zstd_decompress) &&
         set_function(env, exports, "zstdStream", zstd_stream) && set_function(env, exports, "zstdRead", zstd_read) &&
         set_function(env, exports, "zstdEnded", zstd_ended);
}
