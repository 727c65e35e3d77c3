// Calls with pointers to memory that is not there, only half there, or not to be written. Prints what each call says; whoever dies of one
// says so. It is the same on every file system.
//
//     test_pointers DIRECTORY
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { page = 4096 };

static int file, other, directory;
static char *half;
static struct stat attributes;
static struct statx extended;
static char bytes[3 * page];

#define PATH_CALLS(CALL) \
  CALL(access(p, 0)) CALL(stat(p, &attributes)) CALL(lstat(p, &attributes)) CALL(open(p, O_RDONLY)) CALL(open(p, O_WRONLY | O_CREAT, 0644)) \
  CALL(open(p, O_WRONLY | O_CREAT | O_EXCL, 0644)) CALL(openat(directory, p, O_RDONLY)) CALL(fstatat(directory, p, &attributes, 0)) \
  CALL(unlink(p)) CALL(rmdir(p)) CALL(mkdir(p, 0755)) CALL(mkfifo(p, 0644)) CALL(rename(p, "x")) CALL(rename("file", p)) CALL(link(p, "x")) \
  CALL(link("file", p)) CALL(symlink(p, "x")) CALL(symlink("x", p)) CALL(chmod(p, 0644)) CALL(chown(p, -1, 0)) CALL(truncate(p, 0)) \
  CALL(readlink(p, bytes, 9)) CALL(utimensat(AT_FDCWD, p, NULL, 0)) CALL(utimes(p, NULL)) CALL(chdir(p)) CALL(getxattr(p, "user.a", bytes, 9)) \
  CALL(getxattr("file", p, bytes, 9)) CALL(setxattr("file", p, "x", 1, 0)) CALL(removexattr("file", p)) CALL(listxattr(p, bytes, 9)) \
  CALL(statx(AT_FDCWD, p, 0, STATX_ALL, &extended)) CALL(syscall(SYS_open, p, O_RDONLY)) CALL(syscall(SYS_stat, p, &attributes))

#define DATA_CALLS(CALL) \
  CALL(read(file, p, 3)) CALL(pread(file, p, 3, 1)) CALL(pread(file, p, 3, 99999)) CALL(write(other, p, 3)) CALL(pwrite(other, p, 3, 0)) \
  CALL(readv(file, (struct iovec *)p, 1)) CALL(writev(other, (struct iovec *)p, 1)) CALL(read(file, p, 0)) CALL(write(other, p, 0)) \
  CALL(readv(file, &(struct iovec){p, 3}, 1)) CALL(writev(other, &(struct iovec){p, 3}, 1)) \
  CALL(readv(file, (struct iovec[]){{bytes, 2}, {p, 3}}, 2)) CALL(writev(other, (struct iovec[]){{bytes, 2}, {p, 3}}, 2)) \
  CALL(fstat(file, p)) CALL(stat("file", p)) CALL(fstatat(directory, "leaf", p, 0)) CALL(stat("missing", p)) CALL(statx(AT_FDCWD, "file", 0, STATX_ALL, p)) \
  CALL(readlink("link", p, 9)) CALL(utimensat(AT_FDCWD, "file", p, 0)) CALL(futimens(file, p)) \
  CALL(syscall(SYS_getdents64, directory, p, page)) CALL(ioctl(file, FIONREAD, p)) CALL(setxattr("file", "user.a", p, 3, 0)) \
  CALL(copy_file_range(file, p, other, NULL, 3, 0)) CALL(copy_file_range(file, NULL, other, p, 3, 0)) CALL(fcntl(file, F_GETLK, p))

#define HALF_CALLS(CALL) \
  CALL(read(file, half + page - 2, 4)) CALL(pread(file, half + page - 2, 4, 0)) CALL(pread(file, half + 1, 2 * page, 0)) \
  CALL(write(other, half + page - 2, 4)) CALL(pwrite(other, half + page - 2, 4, 0)) CALL(pwrite(other, half + 1, 2 * page, 0)) \
  CALL(pread(file, half + page - 2, 4, 9998)) CALL(fstat(file, (void *)(half + page - 64)))

static void say(const char *call, const char *what, long result) {
  printf("%s with %s: %ld, errno %d\n", call, what, result, result < 0 ? errno : 0);
  fflush(stdout);
}

static void prepare(void) {
  struct stat s;
  for (int i = 0; i < 100; i++) stat(".", &s);
  file = open("file", O_RDWR | O_CREAT, 0644);
  pwrite(file, bytes, 10000, 0);
  other = open("other", O_RDWR | O_CREAT | O_TRUNC, 0644);
  mkdir("directory", 0755);
  directory = open("directory", O_RDONLY | O_DIRECTORY);
  close(openat(directory, "leaf", O_RDWR | O_CREAT, 0644));
  unlink("link");
  symlink("file", "link");
  half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(half, 'h', 2 * page);
  // Seen to be there before it goes.
  write(other, half, 2 * page);
  ftruncate(other, 0);
  lseek(other, 0, SEEK_SET);
  munmap(half + page, page);
}

// Each call in a process of its own, which may die of it.
#define IN_CHILD(call, what) \
  do { \
    pid_t child = fork(); \
    if (child == 0) { prepare(); errno = 0; say(#call, what, (long)(call)); _exit(0); } \
    int status; \
    waitpid(child, &status, 0); \
    if (status != 0) printf("%s with %s: ended with status %x\n", #call, what, status), fflush(stdout); \
  } while (0);

int main(int count, char **arguments) {
  if (count != 2 || chdir(arguments[1])) return 2;
  char *none = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *constant = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *endless = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(endless, 'e', 3 * page);
  for (int i = 0; i < page; i += 100) endless[i] = '/';
  mprotect(endless + 3 * page, page, PROT_NONE);
  struct { const char *what; void *pointer; } bad[] = {
      {"nothing there", (void *)0xdeadc0de}, {"an address of the kernel", (void *)0xffff800000001000}, {"memory that may not be read", none}};
  for (int i = 0; i < 3; i++) {
    void *p = bad[i].pointer;
#define AS_BAD(call) IN_CHILD(call, bad[i].what)
    if (i != 1) { PATH_CALLS(AS_BAD) }
    DATA_CALLS(AS_BAD)
  }
  {
    char *p = endless + 3 * page - 3;
#define AS_CUT(call) IN_CHILD(call, "a string that is cut off")
    PATH_CALLS(AS_CUT)
    p = endless;
#define AS_ENDLESS(call) IN_CHILD(call, "a string without an end")
    IN_CHILD(stat(p, &attributes), "a string without an end") IN_CHILD(open(p, O_RDONLY), "a string without an end")
    IN_CHILD(mkdir(p, 0755), "a string without an end") IN_CHILD(symlink(p, "x"), "a string without an end")
  }
  {
    void *p = constant;
#define AS_CONSTANT(call) IN_CHILD(call, "memory that may not be written")
    DATA_CALLS(AS_CONSTANT)
  }
#define AS_HALF(call) IN_CHILD(call, "memory that is half there")
  HALF_CALLS(AS_HALF)
  return 0;
}
