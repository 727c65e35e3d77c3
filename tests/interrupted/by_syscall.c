// A library that implements functions of libc by syscall(2), as gperftools' tcmalloc does with mmap. Preloaded before or behind
// another one that intercepts both, neither may call the other for ever.
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

long syscall(long number, ...);

void *mmap(void *a, size_t n, int p, int f, int fd, off_t o) { return (void *)syscall(SYS_mmap, a, n, p, f, fd, o); }
int munmap(void *a, size_t n) { return syscall(SYS_munmap, a, n); }
int mprotect(void *a, size_t n, int p) { return syscall(SYS_mprotect, a, n, p); }
int open(const char *p, int f, int m) { return syscall(SYS_open, p, f, m); }
int open64(const char *p, int f, int m) { return syscall(SYS_openat, -100, p, f, m); }
int openat(int d, const char *p, int f, int m) { return syscall(SYS_openat, d, p, f, m); }
int openat64(int d, const char *p, int f, int m) { return syscall(SYS_openat, d, p, f, m); }
int close(int fd) { return syscall(SYS_close, fd); }
ssize_t read(int fd, void *b, size_t n) { return syscall(SYS_read, fd, b, n); }
ssize_t write(int fd, const void *b, size_t n) { return syscall(SYS_write, fd, b, n); }
ssize_t pread64(int fd, void *b, size_t n, off_t o) { return syscall(SYS_pread64, fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return syscall(SYS_pwrite64, fd, b, n, o); }
off_t lseek(int fd, off_t o, int w) { return syscall(SYS_lseek, fd, o, w); }
off_t lseek64(int fd, off_t o, int w) { return syscall(SYS_lseek, fd, o, w); }
int dup(int fd) { return syscall(SYS_dup, fd); }
int dup2(int a, int b) { return syscall(SYS_dup2, a, b); }
int fcntl(int fd, int c, long a) { return syscall(SYS_fcntl, fd, c, a); }
int fcntl64(int fd, int c, long a) { return syscall(SYS_fcntl, fd, c, a); }
int ioctl(int fd, unsigned long r, long a) { return syscall(SYS_ioctl, fd, r, a); }
int stat64(const char *p, void *s) { return syscall(SYS_stat, p, s); }
int lstat64(const char *p, void *s) { return syscall(SYS_lstat, p, s); }
int fstat64(int fd, void *s) { return syscall(SYS_fstat, fd, s); }
int fstatat64(int d, const char *p, void *s, int f) { return syscall(SYS_newfstatat, d, p, s, f); }
int access(const char *p, int m) { return syscall(SYS_access, p, m); }
int ftruncate64(int fd, off_t n) { return syscall(SYS_ftruncate, fd, n); }
int fsync(int fd) { return syscall(SYS_fsync, fd); }
int mkdir(const char *p, mode_t m) { return syscall(SYS_mkdir, p, m); }
int rmdir(const char *p) { return syscall(SYS_rmdir, p); }
int unlink(const char *p) { return syscall(SYS_unlink, p); }
int unlinkat(int d, const char *p, int f) { return syscall(SYS_unlinkat, d, p, f); }
int rename(const char *a, const char *b) { return syscall(SYS_rename, a, b); }
int chdir(const char *p) { return syscall(SYS_chdir, p); }
int fchdir(int fd) { return syscall(SYS_fchdir, fd); }
ssize_t readlink(const char *p, char *b, size_t n) { return syscall(SYS_readlink, p, b, n); }
mode_t umask(mode_t m) { return syscall(SYS_umask, m); }
