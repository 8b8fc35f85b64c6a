/*
 * A lock on an open file or folder that the system drops when it is closed, also by the death of the process: Node has no call
 * for it.
 *
 *   lockOpenFile(fd): 0 when this open file has the lock now, 1 when another one has it, -1 when there is no such lock here.
 */
#include <errno.h>
#include <sys/file.h>

#include "addon.h"

static napi_value call(napi_env env, napi_callback_info info) {
  napi_value args[1], result;
  size_t count = 1;
  int32_t fd;
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok || count != 1 ||
      napi_get_value_int32(env, args[0], &fd) != napi_ok) {
    napi_throw_type_error(env, NULL, "lockOpenFile: wrong arguments");
    return NULL;
  }
  int failed;
  do failed = flock(fd, LOCK_EX | LOCK_NB);
  while (failed != 0 && errno == EINTR);
  int state = failed == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -1;
  return napi_create_int32(env, state, &result) == napi_ok ? result : NULL;
}

int init_lock_file(napi_env env, napi_value exports) { return set_function(env, exports, "lockOpenFile", call); }
