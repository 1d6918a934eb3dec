/* Makes every sync of a file fail as a broken disk does (EIO), while the file that MESH_TEST_FAIL_SYNC names exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_broken(void) {
  const char *flag = getenv("MESH_TEST_FAIL_SYNC");
  return flag != NULL && access(flag, F_OK) == 0;
}

static int sync_with(const char *name, int fd) {
  if (is_broken()) {
    errno = EIO;
    return -1;
  }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  return real(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
