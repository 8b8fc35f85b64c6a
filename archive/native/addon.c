#include "addon.h"

NAPI_MODULE_INIT() {
  if (!init_gzip(env, exports) || !init_folder(env, exports)) napi_throw_error(env, NULL, "the addon could not be set up");
  return exports;
}
