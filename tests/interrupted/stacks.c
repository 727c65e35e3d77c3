// How much stack calls take in a signal handler that runs on a stack of its own. Each call is made in a process of its own, first as the
// first call on files that the process makes, then after others. Prints a line a call: its name and bytes.
//
//     test_stacks DIRECTORY
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { stack_bytes = 64 * 1024, paint = 0x5a };

static struct stat attributes;
static char bytes[64];
static int file, directory, watching;

#define CALLS(CALL) \
  CALL(nothing, ) \
  CALL(open_read, close(open("file", O_RDONLY))) \
  CALL(open_write, close(open("file", O_RDWR))) \
  CALL(create, close(open("new", O_RDWR | O_CREAT, 0644))) \
  CALL(create_exclusive, close(open("new2", O_RDWR | O_CREAT | O_EXCL, 0644))) \
  CALL(truncate_open, close(open("file", O_RDWR | O_TRUNC))) \
  CALL(open_deep, close(open("one/two/three/leaf", O_RDONLY))) \
  CALL(open_linked, close(open("link/leaf", O_RDONLY))) \
  CALL(openat_directory, close(openat(directory, "leaf", O_RDONLY))) \
  CALL(read, read(file, bytes, 4)) \
  CALL(pread, pread(file, bytes, 4, 0)) \
  CALL(write, write(file, "hello", 5)) \
  CALL(append_much, pwrite(file, "x", 1, 9000000)) \
  CALL(lseek, lseek(file, 0, SEEK_END)) \
  CALL(close_file, close(file)) \
  CALL(close_removed, unlink("file"); close(file)) \
  CALL(dup_file, close(dup(file))) \
  CALL(dup2_file, dup2(file, 90)) \
  CALL(fcntl_real, fcntl(file, F_SETOWN, getpid())) \
  CALL(lock_file, struct flock l = {.l_type = F_RDLCK}; fcntl(file, F_SETLK, &l)) \
  CALL(real_removed, unlink("file"); fcntl(file, F_SETOWN, getpid())) \
  CALL(real_directory, fcntl(directory, F_SETOWN, getpid())) \
  CALL(fsync, fsync(file)) \
  CALL(fstat, fstat(file, &attributes)) \
  CALL(stat, stat("one/two/three/leaf", &attributes)) \
  CALL(stat_link, stat("link/leaf", &attributes)) \
  CALL(lstat, lstat("link", &attributes)) \
  CALL(stat_elsewhere, stat("/dev/null", &attributes)) \
  CALL(stat_missing, stat("missing", &attributes)) \
  CALL(fstatat, fstatat(directory, "leaf", &attributes, 0)) \
  CALL(access, access("link/leaf", R_OK | W_OK)) \
  CALL(readlink, readlink("link", bytes, sizeof bytes)) \
  CALL(mkdir, mkdir("made", 0755)) \
  CALL(rmdir, rmdir("empty")) \
  CALL(unlink, unlink("file")) \
  CALL(unlink_linked, unlink("link/leaf")) \
  CALL(rename, rename("file", "one/renamed")) \
  CALL(rename_directory, rename("empty", "one/renamed")) \
  CALL(link, link("file", "linked")) \
  CALL(symlink, symlink("file", "symlinked")) \
  CALL(mkfifo, mkfifo("fifo", 0644)) \
  CALL(chmod, chmod("file", 0600)) \
  CALL(chown, chown("file", getuid(), getgid())) \
  CALL(utimensat, utimensat(AT_FDCWD, "file", NULL, 0)) \
  CALL(futimens, futimens(file, NULL)) \
  CALL(truncate, truncate("file", 3)) \
  CALL(ftruncate, ftruncate(file, 3)) \
  CALL(chdir, chdir("one"); stat("two", &attributes)) \
  CALL(fchdir, fchdir(directory); stat("leaf", &attributes)) \
  CALL(watch, inotify_add_watch(watching, "one", IN_CREATE)) \
  CALL(setxattr, setxattr("file", "user.a", "b", 1, 0)) \
  CALL(umask, umask(022)) \
  CALL(fork, { pid_t p = fork(); if (p == 0) _exit(0); waitpid(p, NULL, 0); }) \
  CALL(execve, { char *none[] = {"/nowhere", NULL}; execve("/nowhere", none, none); })

static int wanted;

#define AS_CASE(name, ...) case __COUNTER__ - first: { __VA_ARGS__; break; }
enum { first = __COUNTER__ + 1 };
static void handler(int number) {
  switch (wanted) { CALLS(AS_CASE) }
}

#define AS_NAME(name, ...) #name,
static const char *names[] = {CALLS(AS_NAME)};

static void be_one(int with_others) {
  struct stat s;
  watching = inotify_init();
  file = directory = -1;
  if (with_others) {
    for (int i = 0; i < 100; i++) stat("file", &s);
    umask(umask(0));
    close(open("other", O_RDWR | O_CREAT, 0644));
    file = open("file", O_RDWR);
    directory = open("one/two/three", O_RDONLY | O_DIRECTORY);
    if (file < 0 || directory < 0) _exit(3);
  }
  char *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(stack, paint, stack_bytes);
  stack_t alternate = {.ss_sp = stack, .ss_size = stack_bytes};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  if (sigaltstack(&alternate, NULL) || sigaction(SIGUSR1, &action, NULL)) _exit(3);
  raise(SIGUSR1);
  int untouched = 0;
  while (untouched < stack_bytes && stack[untouched] == paint) untouched++;
  printf("%s%s %d\n", names[wanted], with_others ? "" : "_at_first", stack_bytes - untouched);
}

static void prepare(void) {
  int unused = system("rm -rf -- *");
  mkdir("one", 0755), mkdir("one/two", 0755), mkdir("one/two/three", 0755), mkdir("empty", 0755);
  close(open("file", O_RDWR | O_CREAT, 0644));
  close(open("one/two/three/leaf", O_RDWR | O_CREAT, 0644));
  unused = symlink("one/two/three", "link");
}

int main(int count, char **arguments) {
  if (count < 2 || chdir(arguments[1])) return 2;
  if (count == 4) {
    wanted = atoi(arguments[2]);
    be_one(atoi(arguments[3]));
    return 0;
  }
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
    for (int with_others = 0; with_others < 2; with_others++) {
      prepare();
      pid_t child = fork();
      if (child == 0) {
        char number[12], others[2] = {(char)('0' + with_others)};
        snprintf(number, sizeof number, "%d", i);
        execl(arguments[0], arguments[0], arguments[1], number, others, NULL);
        _exit(4);
      }
      int status;
      if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        printf("%s: status %x\n", names[i], status);
        return 1;
      }
    }
  }
  return 0;
}
