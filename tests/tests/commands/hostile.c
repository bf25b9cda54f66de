// Tries what no command may do, and prints what it was granted.
// Arguments: a port and an abstract socket on which the machine listens, a process of it, a file.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static void try(const char *name, long result) {
  if (result >= 0) printf("GRANTED %s\n", name);
  fflush(stdout);
}

static int reach(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&to, sizeof to);
}

static int reach_abstract(const char *name) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strcpy(to.sun_path + 1, name);
  socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, length);
}

static void files(const char *file) {
  const char *read[] = {file, "/proc/1/root/etc", "/proc/1/cwd/.", "/proc/1/environ",
                        "/proc/1/fd/0", "/proc/1/exe", "/proc/1/mem"};
  for (size_t i = 0; i < sizeof read / sizeof *read; i++) try(read[i], open(read[i], O_RDONLY));
  // Opened only: where it is not refused nothing is to happen to the machine.
  const char *written[] = {
      "/proc/sysrq-trigger", "/proc/mtrr", "/proc/1/mem", "/proc/sys/kernel/hostname",
      "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/printk", "/proc/sys/kernel/modprobe",
      "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory",
      "/proc/sys/net/ipv4/ip_forward", "/proc/irq/default_smp_affinity"};
  for (size_t i = 0; i < sizeof written / sizeof *written; i++)
    try(written[i], open(written[i], O_WRONLY));
}

static void mounts(const char *when) {
  char name[64];
  const char *places[] = {"/.terrine/tools/0", "/nix/store", "/nix/store/app", "/proc/sys"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(name, sizeof name, "%s remount of %s", when, places[i]);
    try(name, mount("", places[i], "", MS_REMOUNT | MS_BIND, 0));
    long attributes[] = {0, 1, 0, 0};
    snprintf(name, sizeof name, "%s change of %s", when, places[i]);
    try(name, syscall(442, AT_FDCWD, places[i], 0, attributes, sizeof attributes));
  }
  snprintf(name, sizeof name, "%s umount of /dev", when);
  try(name, umount2("/dev", MNT_DETACH));
  snprintf(name, sizeof name, "%s umount of the store", when);
  try(name, umount2("/nix/store", MNT_DETACH));
}

static void devices(const char *when) {
  char name[96], byte;
  const char *places[] = {".", "/", "/tmp", "/build", "/dev", "/dev/shm", "/dev/pts",
                          "/.terrine", "/.terrine/tmp", "/.terrine/tools"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(name, sizeof name, "%s/disk", places[i]);
    mknod(name, S_IFBLK | 0666, makedev(254, 0));
    if (read(open(name, O_RDONLY), &byte, 1) == 1) printf("GRANTED %s %s\n", when, name);
    unlink(name);
    snprintf(name, sizeof name, "%s/kmsg", places[i]);
    mknod(name, S_IFCHR | 0666, makedev(1, 11));
    if (read(open(name, O_RDONLY | O_NONBLOCK), &byte, 1) == 1) printf("GRANTED %s %s\n", when, name);
    unlink(name);
  }
}

int main(int count, char **words) {
  if (count < 5) return 1;
  pid_t other = atoi(words[3]);
  try("network", reach(atoi(words[1])));
  try("abstract socket", reach_abstract(words[2]));
  try("packets", socket(AF_PACKET, SOCK_RAW, 0));
  files(words[4]);
  try("kill", kill(other, 0));
  try("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
  try("seize", ptrace(PTRACE_SEIZE, 1, 0, 0));
  try("descriptor", syscall(438, syscall(434, 1, 0), 0, 0));
  struct rlimit limit = {100, 100};
  try("limits", prlimit(1, RLIMIT_NOFILE, &limit, 0));
  kill(1, SIGKILL);
  try("mount", mount("none", "/.terrine/tmp", "tmpfs", 0, 0));
  mounts("plain");
  devices("plain");
  char parameters[256] = {0};
  try("io_uring", syscall(425, 8, parameters));
  try("keys", syscall(SYS_keyctl, 0, -5, 0));
  try("new key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
  try("host name", sethostname("x", 1));
  try("module", syscall(SYS_init_module, "", 0, ""));
  try("time", syscall(SYS_settimeofday, 0, (int[]){0, 0}));
  try("handle", syscall(SYS_open_by_handle_at, AT_FDCWD, (int[]){8, 1, 0, 0}, O_RDONLY));
  // With a user name space of its own a process has all rights in it, but none over this one.
  mknod("kept", S_IFBLK | 0666, makedev(254, 0));
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    mounts("own");
    devices("own");
    mount(".", "/dev/shm", 0, MS_BIND, 0);
    char byte;
    if (read(open("/dev/shm/kept", O_RDONLY), &byte, 1) == 1) printf("GRANTED a device made before\n");
  }
  files(words[4]);
  unlink("kept");
  return 0;
}
