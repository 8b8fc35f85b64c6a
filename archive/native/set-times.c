/*
 * Times to the nanosecond, where Node's own calls take seconds as a double.
 *
 *   setTimes(fd, path, seconds, nanoseconds): sets access and modification time of an open file, or, where `fd` is -1, of
 *     what has the path, itself and not what a link leads to. The path is a Uint8Array without a NUL. False when the system refuses.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "addon.h"

enum { MOST_PATH = 4095 };

static int set_times(int fd, const uint8_t *path, size_t length, int64_t seconds, int32_t nanoseconds) {
  const struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = nanoseconds};
  const struct timespec times[2] = {time, time};
  char name[MOST_PATH + 1];
  if (nanoseconds < 0 || nanoseconds > 999999999) return 0;
  if (fd >= 0) return futimens(fd, times) == 0;
  if (length == 0 || length > MOST_PATH || memchr(path, 0, length) != NULL) return 0;
  memcpy(name, path, length);
  name[length] = 0;
  return utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

static napi_value call(napi_env env, napi_callback_info info) {
  napi_value args[4], result;
  size_t count = 4, length;
  int32_t fd, nanoseconds;
  int64_t seconds;
  uint8_t *path;
  int fits = napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 4 &&
             napi_get_value_int32(env, args[0], &fd) == napi_ok && memory_of(env, args[1], 0, &path, &length) &&
             napi_get_value_int64(env, args[2], &seconds) == napi_ok &&
             napi_get_value_int32(env, args[3], &nanoseconds) == napi_ok;
  if (!fits) {
    napi_throw_type_error(env, NULL, "setTimes: wrong arguments");
    return NULL;
  }
  int done = set_times(fd, path, length, seconds, nanoseconds);
  return napi_get_boolean(env, done, &result) == napi_ok ? result : NULL;
}

int init_set_times(napi_env env, napi_value exports) { return set_function(env, exports, "setTimes", call); }
