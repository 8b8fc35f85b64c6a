#include "addon.h"

NAPI_MODULE_INIT() {
  int ready = 1;
  ready = ready && init_gzip(env, exports);
  ready = ready && init_zstd(env, exports);
  ready = ready && init_read_files(env, exports);
  ready = ready && init_folder(env, exports);
  ready = ready && init_write_files(env, exports);
  ready = ready && init_set_times(env, exports);
  ready = ready && init_lock_file(env, exports);
  if (!ready) napi_throw_error(env, NULL, "the addon could not be set up");
  return exports;
}
