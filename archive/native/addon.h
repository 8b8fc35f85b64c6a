/*
 * The native addon for Node (Node-API), built by scripts/build-native.mjs where a C compiler is. It has no state of its own, so
 * any thread may load it. Each part is a C file here with one `init_…`, which adds its functions to the exports and returns 0
 * when it cannot; addon.c calls them all. Nothing depends on the addon: each part has another way in TypeScript.
 */
#pragma once
#include <node_api.h>

int init_gzip(napi_env env, napi_value exports);
int init_zstd(napi_env env, napi_value exports);
int init_read_files(napi_env env, napi_value exports);
int init_folder(napi_env env, napi_value exports);
int init_write_files(napi_env env, napi_value exports);
int init_set_times(napi_env env, napi_value exports);
int init_lock_file(napi_env env, napi_value exports);

/* values.c: what the parts share. Both return 0 on failure. */

/* The memory of a Uint8Array of at least `least` bytes. */
int memory_of(napi_env env, napi_value value, size_t least, uint8_t **data, size_t *bytes);
int set_function(napi_env env, napi_value exports, const char *name, napi_callback call);
