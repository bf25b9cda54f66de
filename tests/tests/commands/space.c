// Writes a large file, removes it, and a moment later writes another one for which there is only room if the first is gone.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char part[1 << 20];

static int large(const char *name) {
  int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
  // From here on the file has a record at some levels.
  if (fd < 0 || fchmod(fd, 04755)) return 0;
  for (int i = 0; i < 90; i++)
    if (write(fd, part, sizeof part) != sizeof part) return 0;
  close(fd);
  return 1;
}

int main(void) {
  memset(part, 'x', sizeof part);
  if (!large("first")) return 1;
  unlink("first");
  // Much longer than it may stay open.
  usleep(500000);
  if (!large("second")) return 2;
  unlink("second");
  puts("there is room");
  return 0;
}
