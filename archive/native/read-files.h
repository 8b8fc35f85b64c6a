/* What the parts of readFiles share. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { RECORD_BYTES = 512, MOST_HEADER_BYTES = 3 * RECORD_BYTES, HEX_BYTES = 64 };

/*
 * tar-header.c: writes a regular file's headers, at most MOST_HEADER_BYTES, and returns their bytes; 0 when its name or a
 * number needs more than that, which is for tar-header.ts.
 */
size_t put_headers(uint8_t *out, const char *name, const struct stat *file);

/* sha256.c: whether there is a SHA-256, and one in hex, without a NUL. Returns 0 on failure. */
int has_sha256(void);
int put_sha256(uint8_t *hex, const uint8_t *bytes, size_t size);
