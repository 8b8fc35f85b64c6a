/* The headers of a plain member, byte for byte as tar-header.ts makes them; a test compares them. */
#ifdef __linux__
#include <stdio.h>
#include <string.h>

#include "read-files.h"

/* From here a number does not fit the octal digits of its field. */
static const int64_t beyond_octal = (int64_t)1 << 33, beyond_owner = 1 << 21;
enum { NAME_BYTES = 100 };

/* Octal digits, a space where there is room for one, and a NUL. */
static void put_octal(uint8_t *field, int bytes, uint64_t value) {
  int spaced = value >> (3 * (bytes - 2)) == 0;
  int digits = spaced ? bytes - 2 : bytes - 1;
  for (int i = digits - 1; i >= 0; i--, value >>= 3) field[i] = (uint8_t)('0' + (value & 7));
  if (spaced) field[bytes - 2] = ' ';
  field[bytes - 1] = 0;
}

static void put_header(uint8_t *block, const char *name, size_t name_bytes, char type, uint64_t size, int64_t seconds,
                       const struct stat *owner) {
  memset(block, 0, RECORD_BYTES);
  memcpy(block, name, name_bytes);
  put_octal(block + 100, 8, owner->st_mode & 07777);
  put_octal(block + 108, 8, owner->st_uid);
  put_octal(block + 116, 8, owner->st_gid);
  put_octal(block + 124, 12, size);
  put_octal(block + 136, 12, (uint64_t)seconds);
  memset(block + 148, ' ', 8);
  block[156] = (uint8_t)type;
  memcpy(block + 257, "ustar\00000", 8);
  put_octal(block + 329, 8, 0);
  put_octal(block + 337, 8, 0);
  uint32_t sum = 0;
  for (int i = 0; i < RECORD_BYTES; i++) sum += block[i];
  put_octal(block + 148, 8, sum);
}

/* The fraction of a second, which a header cannot say (POSIX pax, "pax Extended Header"). */
static void put_time(uint8_t *block, const struct timespec *time) {
  static const char name[] = "PaxHeader/tapeflow";
  static const struct stat owner = {.st_mode = 0644};
  char record[64];
  /* The length counts itself; it has two digits for any time. */
  int rest = snprintf(record, sizeof record, " mtime=%lld.%09ld\n", (long long)time->tv_sec, time->tv_nsec);
  int bytes = rest + 2;
  put_header(block, name, sizeof name - 1, 'x', (uint64_t)bytes, 0, &owner);
  memset(block + RECORD_BYTES, 0, RECORD_BYTES);
  char digits[16];
  snprintf(digits, sizeof digits, "%02d", bytes);
  memcpy(block + RECORD_BYTES, digits, 2);
  memcpy(block + RECORD_BYTES + 2, record, (size_t)rest);
}

size_t put_headers(uint8_t *out, const char *name, const struct stat *file) {
  size_t name_bytes = strlen(name);
  if (name_bytes == 0 || name_bytes >= NAME_BYTES) return 0;
  for (size_t i = 0; i < name_bytes; i++)
    if ((unsigned char)name[i] > 0x7f) return 0;
  const struct timespec *time = &file->st_mtim;
  if (file->st_size >= beyond_octal || time->tv_sec < 0 || time->tv_sec >= beyond_octal) return 0;
  if (file->st_uid >= beyond_owner || file->st_gid >= beyond_owner) return 0;
  size_t pax = time->tv_nsec == 0 ? 0 : 2 * RECORD_BYTES;
  if (pax > 0) put_time(out, time);
  put_header(out + pax, name, name_bytes, '0', (uint64_t)file->st_size, time->tv_sec, file);
  return pax + RECORD_BYTES;
}
#endif
