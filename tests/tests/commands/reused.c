// Makes files that use the numbers of removed ones again, and counts those that look like the removed ones.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int fresh(void) {
  struct stat s;
  int fd = open("new", O_CREAT | O_EXCL | O_WRONLY, 0644);
  int differs = fd < 0 || fstat(fd, &s) || s.st_uid || s.st_gid || s.st_mode != (S_IFREG | 0644);
  close(fd);
  unlink("new");
  return differs;
}

int main(void) {
  int owned = 0, devices = 0, modes = 0;
  for (int i = 0; i < 300; i++) {
    int fd = open("old", O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fchown(fd, 5, 6)) return 1;
    close(fd);
    unlink("old");
    owned += fresh();
    close(open("old", O_CREAT | O_EXCL | O_WRONLY, 0644));
    if (chown("old", -1, 6)) return 2;
    unlink("old");
    owned += fresh();
    if (mknod("old", S_IFCHR | 0600, 0x0103)) return 3;
    unlink("old");
    devices += fresh();
    fd = open("old", O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fchmod(fd, 02751)) return 4;
    close(fd);
    unlink("old");
    modes += fresh();
  }
  printf("%d owners, %d devices, %d modes\n", owned, devices, modes);
  return 0;
}
