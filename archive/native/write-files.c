/*
 * Puts many small files into their places in one job on libuv's pool: what a restore does for each of them through Node costs
 * several times what the kernel takes. Only on Linux, and where Node's OpenSSL can be reached; else there is no function, and
 * each file is written by itself.
 *
 *   writeFiles(memory, count, owners): a promise that settles when `count` files were done, one after the other. `memory`: a
 *     Uint8Array, aligned for doubles, that must not be touched until it settles; in it first `count` records: `FIELDS` doubles,
 *     one for each of the `field`s below, and the content's SHA-256 in hex. After the records lie names, each ended by a NUL,
 *     and contents, which begin at the bytes that NAME and CONTENT say. `owners`: set owners too.
 *
 * FOLDER is an open folder, and the name is that of an entry of it: nothing outside can be meant, and no link is followed. The
 * content is compared with its SHA-256 first. A file has no name (O_TMPFILE) until it is whole, with its owner, mode and times;
 * then it gets its own, unless something has it already: a process that is killed leaves nothing. With a FOLDER of -1 nothing
 * is written, only compared. A file is DONE, or nothing is left of it: the reason is for the ordinary way to find.
 */
#define _GNU_SOURCE
#include "addon.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-job.h"
#include "read-files.h"

/* UNABLE: this file system has no files without a name. */
enum state { LEFT, DONE, UNABLE };
/* file-batches.ts knows this order. */
enum field { STATE, FOLDER, NAME, CONTENT, SIZE, MODE, UID, GID, SECONDS, NANOSECONDS, FIELDS };
enum { RECORD = FIELDS * sizeof(double) + HEX_BYTES };

struct job {
  struct pool_job job;
  uint8_t *memory;
  size_t bytes;
  uint32_t count;
  bool owners;
};

static int is_whole(double value, double least, double most) {
  return value >= least && value <= most && value == (double)(int64_t)value;
}

/* A name of one entry of a folder. */
static int is_plain(const char *name) {
  return *name != 0 && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Whether what the fields say can be meant at all; then the numbers fit their types, and name and content lie in the memory. */
static int is_valid(const struct job *job, const double *fields) {
  const double most = (double)job->bytes, least = (double)job->count * RECORD, seconds = (double)((int64_t)1 << 53);
  if (!is_whole(fields[FOLDER], -1, INT32_MAX) || !is_whole(fields[CONTENT], least, most) ||
      !is_whole(fields[SIZE], 0, most - fields[CONTENT]) || !is_whole(fields[MODE], 0, 07777) ||
      !is_whole(fields[UID], 0, UINT32_MAX) || !is_whole(fields[GID], 0, UINT32_MAX) ||
      !is_whole(fields[SECONDS], -seconds, seconds) || !is_whole(fields[NANOSECONDS], 0, 999999999))
    return 0;
  if (!is_whole(fields[NAME], least, most - 1)) return 0;
  size_t at = (size_t)fields[NAME];
  return memchr(job->memory + at, 0, job->bytes - at) != NULL && is_plain((const char *)job->memory + at);
}

static int write_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return 0;
    bytes += written;
    size -= (size_t)written;
  }
  return 1;
}

/* Fails where something has the name already. */
static int give_name(int fd, int folder, const char *name) {
  if (linkat(fd, "", folder, name, AT_EMPTY_PATH) == 0) return 1;
  /* Only root, and on older systems nobody else, may do it without the path. */
  if (errno != ENOENT && errno != EPERM) return 0;
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW) == 0;
}

static enum state put_file(const struct job *job, const double *fields, const uint8_t *content) {
  int folder = (int)fields[FOLDER];
  int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return errno == EOPNOTSUPP || errno == EISDIR ? UNABLE : LEFT;
  struct timespec time = {.tv_sec = (time_t)fields[SECONDS], .tv_nsec = (long)fields[NANOSECONDS]};
  const struct timespec times[2] = {time, time};
  /* The owner first: a change of owner takes the set-user-id bit away. */
  int whole = write_all(fd, content, (size_t)fields[SIZE]) &&
              (!job->owners || fchown(fd, (uid_t)fields[UID], (gid_t)fields[GID]) == 0) &&
              fchmod(fd, (mode_t)fields[MODE]) == 0 && futimens(fd, times) == 0 &&
              give_name(fd, folder, (const char *)job->memory + (size_t)fields[NAME]);
  /* Some file systems tell of a failed write here; what has its name then is found by the ordinary way, which compares it. */
  return close(fd) == 0 && whole ? DONE : LEFT;
}

static enum state do_file(const struct job *job, const double *fields, const uint8_t *hex) {
  uint8_t found[HEX_BYTES];
  if (!is_valid(job, fields)) return LEFT;
  const uint8_t *content = job->memory + (size_t)fields[CONTENT];
  if (!put_sha256(found, content, (size_t)fields[SIZE]) || memcmp(found, hex, HEX_BYTES) != 0) return LEFT;
  return fields[FOLDER] < 0 ? DONE : put_file(job, fields, content);
}

static void run(struct pool_job *pool_job) {
  struct job *job = (struct job *)pool_job;
  uint8_t *record = job->memory;
  for (uint32_t i = 0; i < job->count; i++, record += RECORD) {
    double *fields = (double *)(void *)record;
    fields[STATE] = do_file(job, fields, record + FIELDS * sizeof(double));
  }
}

static napi_value write_files(napi_env env, napi_callback_info info) {
  napi_value args[3];
  size_t count = 3;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    napi_throw_error(env, "ENOMEM", "no memory to write files");
    return NULL;
  }
  int fits = napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 3 &&
             napi_get_value_uint32(env, args[1], &job->count) == napi_ok &&
             memory_of(env, args[0], job->count * (size_t)RECORD, &job->memory, &job->bytes) &&
             napi_get_value_bool(env, args[2], &job->owners) == napi_ok &&
             (uintptr_t)job->memory % _Alignof(double) == 0;
  if (!fits) {
    free(job);
    napi_throw_range_error(env, NULL, "writeFiles: too small a memory for so many files");
    return NULL;
  }
  job->job.run = run;
  const napi_value arrays[2] = {args[0], NULL};
  return start_pool_job(env, &job->job, "tapeflow.writeFiles", arrays, "writeFiles: it could not be started");
}

int init_write_files(napi_env env, napi_value exports) {
  return !has_sha256() || set_function(env, exports, "writeFiles", write_files);
}
#else
int init_write_files(napi_env env, napi_value exports) {
  (void)env;
  (void)exports;
  return 1;
}
#endif
