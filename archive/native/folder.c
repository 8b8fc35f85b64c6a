/*
 * Lists folders for the scan: names in bytewise order, and what fstatat says of each, without a path to resolve for every entry.
 *
 *   folderFields: doubles for each entry, as `field` below has them
 *   listFolder(path): an ArrayBuffer, or undefined when the folder cannot be listed: the number of entries with statistics,
 *     which are the first ones, at most CHUNK; the bytes of their names; their statistics; then all names, each ended by a NUL.
 *     The path is a Uint8Array; a symbolic link in its last place is not followed.
 *   lookAt(path, names, from): an ArrayBuffer of the same form without names, for those from byte `from` of `names` on;
 *     undefined when the folder is not there any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addon.h"

enum { CHUNK = 1000, MOST_PATH = 1000, HEAD = 2 };
/* IS_THERE is 0 for an entry that could not be looked at. Numbers of 64 bits go as two of 32, since a double holds 53. */
enum field { IS_THERE, MODE, SIZE, MTIME_S, MTIME_NS, CTIME_S, CTIME_NS, UID, GID, NLINK, DEV_HIGH, DEV_LOW, INO_HIGH, INO_LOW, FIELDS };

#ifdef __APPLE__
#define MTIME(s) ((s).st_mtimespec)
#define CTIME(s) ((s).st_ctimespec)
#else
#define MTIME(s) ((s).st_mtim)
#define CTIME(s) ((s).st_ctim)
#endif

struct name {
  /* The first eight bytes, as a number that sorts as they do. */
  uint64_t key;
  const char *text;
};

struct listing {
  /* Names in the order of the folder, each ended by a NUL. */
  char *bytes;
  size_t used, room;
  struct name *sorted;
  size_t count;
};

static int open_folder(napi_env env, napi_value value) {
  uint8_t *bytes;
  size_t length;
  char path[MOST_PATH + 1];
  if (!memory_of(env, value, 1, &bytes, &length) || length > MOST_PATH || memchr(bytes, 0, length) != NULL) return -1;
  memcpy(path, bytes, length);
  path[length] = 0;
  return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int by_bytes(const void *a, const void *b) {
  const struct name *left = a, *right = b;
  if (left->key != right->key) return left->key < right->key ? -1 : 1;
  return strcmp(left->text, right->text);
}

static uint64_t key_of(const char *text) {
  uint64_t key = 0;
  for (int i = 0; i < 8; i++) {
    key = key << 8 | (unsigned char)*text;
    if (*text != 0) text++;
  }
  return key;
}

static int add_name(struct listing *listing, const char *name) {
  size_t bytes = strlen(name) + 1;
  if (listing->used + bytes > listing->room) {
    size_t room = 2 * listing->room + bytes + 4096;
    char *larger = realloc(listing->bytes, room);
    if (larger == NULL) return 0;
    listing->bytes = larger;
    listing->room = room;
  }
  memcpy(listing->bytes + listing->used, name, bytes);
  listing->used += bytes;
  listing->count++;
  return 1;
}

static int sort_names(struct listing *listing) {
  listing->sorted = malloc((listing->count + 1) * sizeof *listing->sorted);
  if (listing->sorted == NULL) return 0;
  const char *text = listing->bytes;
  for (size_t i = 0; i < listing->count; i++) {
    listing->sorted[i] = (struct name){key_of(text), text};
    text += strlen(text) + 1;
  }
  if (listing->count > 1) qsort(listing->sorted, listing->count, sizeof *listing->sorted, by_bytes);
  return 1;
}

/* Reads a folder; returns 0 when that fails anywhere. */
static int read_names(DIR *dir, struct listing *listing) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (entry == NULL) return errno == 0 && sort_names(listing);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!add_name(listing, entry->d_name)) return 0;
  }
}

static void look(int folder, const char *name, double *fields) {
  struct stat s;
  memset(fields, 0, FIELDS * sizeof *fields);
  if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) != 0) return;
  uint64_t dev = (uint64_t)s.st_dev, ino = (uint64_t)s.st_ino;
  fields[IS_THERE] = 1;
  fields[MODE] = s.st_mode;
  fields[SIZE] = (double)s.st_size;
  fields[MTIME_S] = (double)MTIME(s).tv_sec;
  fields[MTIME_NS] = (double)MTIME(s).tv_nsec;
  fields[CTIME_S] = (double)CTIME(s).tv_sec;
  fields[CTIME_NS] = (double)CTIME(s).tv_nsec;
  fields[UID] = s.st_uid;
  fields[GID] = s.st_gid;
  fields[NLINK] = (double)s.st_nlink;
  fields[DEV_HIGH] = (double)(dev >> 32);
  fields[DEV_LOW] = (double)(dev & UINT32_MAX);
  fields[INO_HIGH] = (double)(ino >> 32);
  fields[INO_LOW] = (double)(ino & UINT32_MAX);
}

/* An ArrayBuffer with room for some statistics and, after them, some bytes; null when there is no memory. */
static napi_value new_buffer(napi_env env, size_t entries, size_t bytes, double **memory) {
  napi_value buffer;
  void *data = NULL;
  if (napi_create_arraybuffer(env, (HEAD + entries * FIELDS) * sizeof(double) + bytes, &data, &buffer) != napi_ok)
    return NULL;
  *memory = data;
  (*memory)[0] = (double)entries;
  return buffer;
}

static napi_value result_of(napi_env env, int folder, const struct listing *listing) {
  size_t entries = listing->count < CHUNK ? listing->count : CHUNK;
  double *numbers;
  napi_value buffer = new_buffer(env, entries, listing->used, &numbers);
  if (buffer == NULL) return NULL;
  char *names = (char *)(numbers + HEAD + entries * FIELDS), *end = names;
  for (size_t i = 0; i < listing->count; i++) {
    end = stpcpy(end, listing->sorted[i].text) + 1;
    if (i < entries) numbers[1] = (double)(end - names);
  }
  for (size_t i = 0; i < entries; i++) look(folder, listing->sorted[i].text, numbers + HEAD + i * FIELDS);
  return buffer;
}

static napi_value list_folder(napi_env env, napi_callback_info info) {
  napi_value path, buffer = NULL;
  size_t count = 1;
  struct listing listing = {0};
  if (napi_get_cb_info(env, info, &count, &path, NULL, NULL) != napi_ok || count < 1) return NULL;
  int folder = open_folder(env, path);
  if (folder < 0) return NULL;
  DIR *dir = fdopendir(folder);
  if (dir == NULL) {
    close(folder);
    return NULL;
  }
  if (read_names(dir, &listing)) buffer = result_of(env, folder, &listing);
  closedir(dir);
  free(listing.sorted);
  free(listing.bytes);
  return buffer;
}

static napi_value look_at(napi_env env, napi_callback_info info) {
  napi_value args[3], buffer;
  size_t count = 3, bytes, entries = 0;
  uint8_t *names;
  uint32_t from;
  double *numbers;
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok || count < 3 ||
      !memory_of(env, args[1], 1, &names, &bytes) || names[bytes - 1] != 0 ||
      napi_get_value_uint32(env, args[2], &from) != napi_ok || from > bytes)
    return NULL;
  size_t at = from;
  for (; at < bytes && entries < CHUNK; entries++) at += strlen((char *)names + at) + 1;
  int folder = open_folder(env, args[0]);
  if (folder < 0) return NULL;
  buffer = new_buffer(env, entries, 0, &numbers);
  const char *name = (char *)names + from;
  if (buffer != NULL) numbers[1] = (double)(at - from);
  for (size_t i = 0; buffer != NULL && i < entries; i++, name += strlen(name) + 1)
    look(folder, name, numbers + HEAD + i * FIELDS);
  close(folder);
  return buffer;
}

static int set_number(napi_env env, napi_value exports, const char *name, int number) {
  napi_value value;
  return napi_create_int32(env, number, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

int init_folder(napi_env env, napi_value exports) {
  return set_number(env, exports, "folderFields", FIELDS) && set_function(env, exports, "listFolder", list_folder) && set_function(env, exports, "lookAt", look_at);
}
