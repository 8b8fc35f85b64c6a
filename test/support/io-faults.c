/* Makes chosen calls on chosen files fail, while a file says so. For LD_PRELOAD into our own processes.
 * $IO_FAULTS names that file; each of its lines is: call, part of the file's path, errno. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fault(const char *call, int fd) {
  const char *list = getenv("IO_FAULTS");
  if (list == NULL) return 0;
  int saved = errno;
  char lines[4096], link[64], target[4096];
  int in = syscall(SYS_openat, AT_FDCWD, list, O_RDONLY | O_CLOEXEC);
  if (in < 0) {
    errno = saved;
    return 0;
  }
  long n = syscall(SYS_read, in, lines, sizeof lines - 1);
  syscall(SYS_close, in);
  lines[n > 0 ? n : 0] = 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long m = readlink(link, target, sizeof target - 1);
  target[m > 0 ? m : 0] = 0;
  errno = saved;
  char *next = lines;
  for (char *line; (line = strsep(&next, "\n")) != NULL;) {
    char name[32], part[2048];
    int code;
    if (sscanf(line, "%31s %2047s %d", name, part, &code) != 3) continue;
    if (strcmp(name, call) == 0 && strstr(target, part) != NULL) return code;
  }
  return 0;
}

/* Stands for no errno: the call waits for as long as the line stands. */
#define HOLD -1

#define FAIL(call, fd)                     \
  do {                                     \
    int code = fault(call, fd);            \
    while (code == HOLD) {                 \
      usleep(20000);                       \
      code = fault(call, fd);              \
    }                                      \
    if (code != 0) {                       \
      errno = code;                        \
      return -1;                           \
    }                                      \
  } while (0)

int fsync(int fd) {
  FAIL("fsync", fd);
  return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  FAIL("fsync", fd);
  return syscall(SYS_fdatasync, fd);
}

ssize_t pread64(int fd, void *buffer, size_t bytes, off64_t at) {
  FAIL("read", fd);
  return syscall(SYS_pread64, fd, buffer, bytes, at);
}

ssize_t pread(int fd, void *buffer, size_t bytes, off_t at) { return pread64(fd, buffer, bytes, at); }
