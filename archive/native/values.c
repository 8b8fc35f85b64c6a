#include "addon.h"

int memory_of(napi_env env, napi_value value, size_t least, uint8_t **data, size_t *bytes) {
  napi_typedarray_type type;
  bool is_array = false;
  void *memory = NULL;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return 0;
  if (napi_get_typedarray_info(env, value, &type, bytes, &memory, NULL, NULL) != napi_ok) return 0;
  *data = memory;
  return type == napi_uint8_array && *bytes >= least && (memory != NULL || *bytes == 0);
}

int set_function(napi_env env, napi_value exports, const char *name, napi_callback call) {
  napi_value value;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, call, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}
