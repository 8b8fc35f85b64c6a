/*
 * Strikes at one file operation of a process, chosen by its name, path and count. Preloaded (LD_PRELOAD) into the
 * product's own processes by fault-shim.ts, so that the product carries no hooks for its fault tests.
 *
 *   FAULT_FOLDERS  folders, separated by ':', below which every changing operation counts (staging, tape)
 *   FAULT_COMMITS  path prefix of the catalog's files, of which only fsync and fdatasync count: its commits
 *   FAULT_CONTROL  file of a `struct control`: mapped and shared, so that a test can arm a process that runs already,
 *                  and several processes count together
 *   FAULT_TRACE    file that gets a line for each operation that counts, before it is executed: number, pid, name, path
 *
 * Node (libuv) and SQLite reach the system through the C library's symbols that are interposed here; libuv's io_uring
 * would not: UV_USE_IO_URING=0. The calls themselves are made with syscall(2), so that nothing here calls itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, FREEZE, FAIL, SHORTEN };

/* What to strike at, and what was struck. fault-shim.ts knows these offsets. */
struct control {
  _Atomic uint64_t count;   /*   0: operations counted so far, over all threads and processes */
  _Atomic uint64_t matches; /*   8: those of them that fit `operation` and `path` */
  uint64_t at;              /*  16: strike at this match, once; 0: at every match */
  _Atomic uint64_t struck;  /*  24: times struck */
  _Atomic int64_t when;     /*  32: of the last strike, in milliseconds since 1970 */
  _Atomic uint32_t action;  /*  40 */
  uint32_t error;           /*  44: errno of FAIL */
  int32_t pids[16];         /*  48: whom KILL_… kills, up to a 0; -1 is the process itself, and comes last */
  char operation[32];       /* 112: glob */
  char path[880];           /* 144: glob */
};

static struct control *control;
static const char *folders, *commits;
static int trace = -1;
/* The strike that waits for the end of this thread's operation. */
static _Thread_local int strike_after;

__attribute__((constructor)) static void start(void) {
  const char *file = getenv("FAULT_CONTROL"), *log = getenv("FAULT_TRACE");
  folders = getenv("FAULT_FOLDERS");
  commits = getenv("FAULT_COMMITS");
  if (file == NULL) return;
  int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (map == MAP_FAILED) return;
  control = map;
  if (log != NULL) trace = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* True when `path` is one of the folders, or below one. */
static int is_below(const char *list, const char *path) {
  while (list != NULL && *list != 0) {
    size_t length = strcspn(list, ":");
    if (length > 0 && strncmp(list, path, length) == 0 && (path[length] == 0 || path[length] == '/')) return 1;
    list += length + (list[length] == ':');
  }
  return 0;
}

static int counts(const char *operation, const char *path) {
  if (is_below(folders, path)) return 1;
  int syncs = strcmp(operation, "fsync") == 0 || strcmp(operation, "fdatasync") == 0;
  return syncs && commits != NULL && strncmp(commits, path, strlen(commits)) == 0;
}

/* Real and synchronous: returns only when this process is not among those to be killed. */
static void kill_all(void) {
  int myself = 0;
  for (int i = 0; i < 16 && control->pids[i] != 0; i++) {
    if (control->pids[i] == -1 || control->pids[i] == getpid()) myself = 1;
    else kill(control->pids[i], SIGKILL);
  }
  if (myself) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
}

/*
 * Called before every operation. Returns 0, or the errno that it has to fail with instead of being executed; `length`
 * of a write may be cut.
 */
static int meet(const char *operation, const char *path, size_t *length) {
  if (control == NULL || !counts(operation, path)) return 0;
  uint64_t number = atomic_fetch_add(&control->count, 1) + 1;
  if (trace >= 0) {
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%llu %d %s %s\n", (unsigned long long)number, getpid(), operation, path);
    syscall(SYS_write, trace, line, (size_t)size < sizeof line ? (size_t)size : sizeof line);
  }
  enum action action = atomic_load(&control->action);
  if (action == NOTHING || fnmatch(control->operation, operation, 0) != 0 || fnmatch(control->path, path, 0) != 0)
    return 0;
  uint64_t match = atomic_fetch_add(&control->matches, 1) + 1;
  if (control->at != 0 && match != control->at) return 0;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  atomic_store(&control->when, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
  atomic_fetch_add(&control->struck, 1);
  if (action == KILL_BEFORE) kill_all();
  if (action == KILL_AFTER) strike_after = 1;
  /* To this thread: sent to the process, another one may take it, and this one runs on for a while. */
  if (action == FREEZE) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
  if (action == SHORTEN && length != NULL && *length > 1) *length /= 2;
  return action == FAIL ? (int)control->error : 0;
}

static void end_operation(void) {
  if (!strike_after) return;
  strike_after = 0;
  kill_all();
}

static const char *path_of(int fd, char *buffer) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, buffer, PATH_MAX - 1);
  buffer[length < 0 ? 0 : length] = 0;
  return buffer;
}

static const char *absolute(int folder, const char *path, char *buffer) {
  static const char open_folder[] = "/proc/self/fd/";
  if (path == NULL) return "";
  char parent[PATH_MAX];
  /* A restore names files by the folder that it holds open. */
  if (strncmp(path, open_folder, sizeof open_folder - 1) == 0) {
    char *rest;
    long fd = strtol(path + sizeof open_folder - 1, &rest, 10);
    if (*rest != '/') return path;
    snprintf(buffer, PATH_MAX, "%.2000s%.2000s", path_of((int)fd, parent), rest);
    return buffer;
  }
  if (path[0] == '/') return path;
  if (folder == AT_FDCWD) syscall(SYS_getcwd, parent, sizeof parent);
  else path_of(folder, parent);
  snprintf(buffer, PATH_MAX, "%.2000s/%.2000s", parent, path);
  return buffer;
}

#define AROUND(operation, path, length, call)             \
  int kept = errno, error = meet(operation, path, length); \
  errno = kept;                                            \
  if (error != 0) {                                        \
    errno = error;                                         \
    return -1;                                             \
  }                                                        \
  long result = call;                                      \
  end_operation();                                         \
  return result

static int open_file(int folder, const char *path, int flags, mode_t mode) {
  char buffer[PATH_MAX];
  if ((flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) == 0) return syscall(SYS_openat, folder, path, flags, mode);
  AROUND("open", absolute(folder, path, buffer), NULL, syscall(SYS_openat, folder, path, flags, mode));
}

#define OPEN(name, flag)                                    \
  int name(const char *path, int flags, ...) {              \
    va_list rest;                                           \
    va_start(rest, flags);                                  \
    mode_t mode = va_arg(rest, mode_t);                     \
    va_end(rest);                                           \
    return open_file(AT_FDCWD, path, flags | (flag), mode); \
  }
#define OPENAT(name, flag)                                \
  int name(int folder, const char *path, int flags, ...) { \
    va_list rest;                                          \
    va_start(rest, flags);                                 \
    mode_t mode = va_arg(rest, mode_t);                    \
    va_end(rest);                                          \
    return open_file(folder, path, flags | (flag), mode);  \
  }
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)
OPENAT(openat, 0)
OPENAT(openat64, O_LARGEFILE)

static ssize_t write_bytes(int fd, const void *bytes, size_t length, off_t at) {
  char buffer[PATH_MAX];
  AROUND("write", path_of(fd, buffer), &length,
         at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at));
}
ssize_t write(int fd, const void *bytes, size_t length) { return write_bytes(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_bytes(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return write_bytes(fd, bytes, length, at); }

/* A vector that is cut becomes the first half of its first part. */
static ssize_t write_vector(int fd, const struct iovec *parts, int count, off_t at) {
  char buffer[PATH_MAX];
  struct iovec cut = count > 0 ? parts[0] : (struct iovec){0};
  size_t length = cut.iov_len;
  AROUND("write", path_of(fd, buffer), &length, ({
           if (count > 0 && length < cut.iov_len) {
             cut.iov_len = length;
             parts = &cut;
             count = 1;
           }
           at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
         }));
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_vector(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_vector(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  return write_vector(fd, parts, count, at);
}

#define ON_FD(name, operation, number)                               \
  int name(int fd) {                                                 \
    char buffer[PATH_MAX];                                           \
    AROUND(operation, path_of(fd, buffer), NULL, syscall(number, fd)); \
  }
ON_FD(fsync, "fsync", SYS_fsync)
ON_FD(fdatasync, "fdatasync", SYS_fdatasync)

static int truncate_fd(int fd, off_t length) {
  char buffer[PATH_MAX];
  AROUND("ftruncate", path_of(fd, buffer), NULL, syscall(SYS_ftruncate, fd, length));
}
int ftruncate(int fd, off_t length) { return truncate_fd(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_fd(fd, length); }

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags) {
  char buffer[PATH_MAX];
  AROUND("rename", absolute(to_dir, to, buffer), NULL, syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  return renameat2(from_dir, from, to_dir, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int folder, const char *path, int flags) {
  char buffer[PATH_MAX];
  AROUND((flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", absolute(folder, path, buffer), NULL,
         syscall(SYS_unlinkat, folder, path, flags));
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

/* A file without a name gets one: the last step of what a restore does for a small file. */
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  char buffer[PATH_MAX];
  AROUND("link", absolute(to_dir, to, buffer), NULL, syscall(SYS_linkat, from_dir, from, to_dir, to, flags));
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int folder, const char *path, mode_t mode) {
  char buffer[PATH_MAX];
  AROUND("mkdir", absolute(folder, path, buffer), NULL, syscall(SYS_mkdirat, folder, path, mode));
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
