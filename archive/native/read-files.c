/*
 * Reads many small files in one job on libuv's pool, as members of a tar archive: the calls for one file through Node, and what
 * JavaScript needs for its header and its hash, cost several times what the kernel takes. Only there where Linux has openat2(2),
 * since 5.6, and Node's OpenSSL can be reached; else there is no function, and each file is read by itself.
 *
 *   readFiles(paths, count, output): a promise that settles when `count` files were read, one after the other. `paths`: their
 *     absolute paths, each ended by a NUL. `output`: a Uint8Array over memory that is aligned for doubles; in it first `count`
 *     times `FIELDS` doubles, one for each of the `field`s below, then `count` SHA-256 in hex, then the members: headers,
 *     content, and zeros up to a whole record. The arrays must not be touched until it settles.
 *
 * A file is READ only if it is plain in every way: no symbolic link anywhere in its path, a regular file with one link, read
 * whole at the size that it had when it was opened, with room for it in `output`. Of any other nothing is told but LEFT:
 * its reason is for the ordinary way to find. A member whose headers are not plain has none.
 */
#define _GNU_SOURCE
#include "addon.h"

#if defined(__linux__) && __has_include(<linux/openat2.h>)
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool-job.h"
#include "read-files.h"
#endif

#ifdef SYS_openat2
enum state { LEFT, READ, GREW, CHANGED };
/* small-files.ts knows this order. */
enum field { STATE, SIZE, SECONDS, NANOSECONDS, MODE, UID, GID, DEV, INO, HEADER, CONTENT, FIELDS };
/* For each file, before the members. */
enum { BYTES_BEFORE = FIELDS * sizeof(double) + HEX_BYTES };
/* Whole numbers up to here are exact as doubles. */
static const uint64_t most_exact = (uint64_t)1 << 53;
/* Seconds that a JavaScript date can hold. */
static const int64_t most_seconds = 8640000000000;

struct job {
  struct pool_job job;
  const char *paths;
  uint8_t *out;
  size_t path_bytes, room;
  uint32_t count;
};

static int open_plain(const char *path, uint64_t flags) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static enum state state_after(const struct stat *before, const struct stat *after) {
  if (after->st_size > before->st_size) return GREW;
  if (after->st_size < before->st_size || after->st_mtim.tv_sec != before->st_mtim.tv_sec ||
      after->st_mtim.tv_nsec != before->st_mtim.tv_nsec)
    return CHANGED;
  return READ;
}

static size_t padded(size_t bytes) { return (bytes + RECORD_BYTES - 1) / RECORD_BYTES * RECORD_BYTES; }

/* LEFT when the file is not plain or does not fit; else its member begins at `*at`, which is moved to its end. */
static enum state read_open(int fd, const struct job *job, const char *name, size_t *at, uint8_t *hex, double *fields) {
  struct stat before, after;
  if (fstat(fd, &before) != 0 || !S_ISREG(before.st_mode) || before.st_nlink != 1) return LEFT;
  size_t room = job->room - *at;
  if (room < MOST_HEADER_BYTES || before.st_size < 0 || (uint64_t)before.st_size > room - MOST_HEADER_BYTES) return LEFT;
  size_t size = (size_t)before.st_size, whole = padded(size);
  if (whole > room - MOST_HEADER_BYTES) return LEFT;
  if (before.st_ino > most_exact || before.st_dev > most_exact || llabs(before.st_mtim.tv_sec) >= most_seconds)
    return LEFT;
  size_t begins = *at + put_headers(job->out + *at, name, &before);
  uint8_t *content = job->out + begins;
  for (size_t done = 0; done < size;) {
    ssize_t bytes = read(fd, content + done, size - done);
    if (bytes <= 0) return LEFT;
    done += (size_t)bytes;
  }
  if (fstat(fd, &after) != 0 || !put_sha256(hex, content, size)) return LEFT;
  memset(content + size, 0, whole - size);
  const double values[FIELDS] = {
      [SIZE] = (double)size,
      [SECONDS] = (double)before.st_mtim.tv_sec,
      [NANOSECONDS] = (double)before.st_mtim.tv_nsec,
      [MODE] = (double)before.st_mode,
      [UID] = (double)before.st_uid,
      [GID] = (double)before.st_gid,
      [DEV] = (double)before.st_dev,
      [INO] = (double)before.st_ino,
      [HEADER] = (double)*at,
      [CONTENT] = (double)begins,
  };
  memcpy(fields, values, sizeof values);
  *at = begins + whole;
  return state_after(&before, &after);
}

static void run(struct pool_job *pool_job) {
  struct job *job = (struct job *)pool_job;
  double *fields = (double *)(void *)job->out;
  uint8_t *hex = job->out + job->count * FIELDS * sizeof(double);
  size_t at = job->count * (size_t)BYTES_BEFORE;
  const char *path = job->paths;
  for (uint32_t i = 0; i < job->count; i++, fields += FIELDS, hex += HEX_BYTES, path += strlen(path) + 1) {
    enum state state = LEFT;
    int fd = open_plain(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) {
      /* A member's name is its path without the slash before it. */
      state = read_open(fd, job, path + 1, &at, hex, fields);
      close(fd);
    }
    fields[STATE] = state;
  }
}

/* True when there are so many paths, absolute and each with its NUL. */
static int has_paths(const struct job *job) {
  const char *path = job->paths, *end = job->paths + job->path_bytes;
  for (uint32_t i = 0; i < job->count; i++) {
    const char *nul = path < end ? memchr(path, 0, (size_t)(end - path)) : NULL;
    if (nul == NULL || *path != '/') return 0;
    path = nul + 1;
  }
  return 1;
}

static napi_value read_files(napi_env env, napi_callback_info info) {
  napi_value args[3];
  size_t count = 3;
  uint8_t *paths = NULL;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    napi_throw_error(env, "ENOMEM", "no memory to read files");
    return NULL;
  }
  int fits = napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 3 &&
             memory_of(env, args[0], 0, &paths, &job->path_bytes) &&
             napi_get_value_uint32(env, args[1], &job->count) == napi_ok && job->count <= job->path_bytes &&
             memory_of(env, args[2], job->count * (size_t)BYTES_BEFORE, &job->out, &job->room) &&
             (uintptr_t)job->out % _Alignof(double) == 0;
  job->paths = (const char *)paths;
  if (!fits || !has_paths(job)) {
    free(job);
    napi_throw_range_error(env, NULL, "readFiles: fewer paths than said, or too small an output");
    return NULL;
  }
  job->job.run = run;
  const napi_value arrays[2] = {args[0], args[2]};
  return start_pool_job(env, &job->job, "tapeflow.readFiles", arrays, "readFiles: it could not be started");
}

int init_read_files(napi_env env, napi_value exports) {
  /* Kernels before 5.6 have no such call, and some sandboxes forbid it. */
  int root = open_plain("/", O_PATH | O_DIRECTORY);
  if (root < 0) return 1;
  close(root);
  if (!has_sha256()) return 1;
  return set_function(env, exports, "readFiles", read_files);
}
#else
int init_read_files(napi_env env, napi_value exports) {
  (void)env;
  (void)exports;
  return 1;
}
#endif
