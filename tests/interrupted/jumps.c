// Calls on files that end before they return: a signal handler leaves them by siglongjmp, ends their thread, or the thread is cancelled.
// Everything must work afterwards, for this process and for others, and nothing may be left over. It holds on every file system.
//
//     test_jumps jumps|threads|together DIRECTORY COUNT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { buffer_bytes = 20000, file_count_max = 900 };

static char buffer[buffer_bytes];

static void fail(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  fflush(stdout);
  _exit(1);
}

static int descriptors_open(void) {
  int count = 0;
  for (int fd = 0; fd < 64; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

// A round of calls that take locks, make requests or descriptors. Descriptors are noted before anything else may happen to them.
static void one_call(unsigned n, int shared, volatile int *opened) {
  struct stat attributes;
  char name[32];
  snprintf(name, sizeof name, "n%u", n % 7);
  switch (n % 14) {
    case 0: pwrite(shared, buffer, buffer_bytes, (n % 50) * 4096); break;
    case 1: pread(shared, buffer, buffer_bytes, 0); break;
    case 2: *opened = open(name, O_RDWR | O_CREAT, 0644); break;
    case 3: if (*opened >= 0) { int fd = *opened; *opened = -1; close(fd); } break;
    case 4: mkdir("d", 0755); break;
    case 5: rmdir("d"); break;
    case 6: unlink(name); break;
    case 7: stat("shared", &attributes); break;
    case 8: ftruncate(shared, (n % 30) * 1000); break;
    case 9: rename(name, "renamed"); break;
    case 10: *opened = open("shared", O_RDONLY); break;
    case 11: if (*opened >= 0) { int fd = *opened; *opened = -1; close(fd); } break;
    case 12: lseek(shared, 0, SEEK_SET); write(shared, "x", 1); break;
    case 13: link("shared", "linked"); symlink("shared", name); readlink(name, buffer, 64); break;
  }
}

// What another process and another thread find, and this one. Each has a limit: who waits for a lock that nobody has waits for ever.
static void *use_everything(void *among_others) {
  char read_back[6] = "";
  int fd = open("shared", O_RDWR);
  if (fd < 0 || pwrite(fd, "hello", 5, 0) != 5) fail("writing the file");
  if (among_others == NULL) {
    if (pread(fd, read_back, 5, 0) != 5 || strcmp(read_back, "hello")) fail("reading the file");
    if (ftruncate(fd, 100000) || lseek(fd, 0, SEEK_END) != 100000 || write(fd, "end", 3) != 3) fail("making it longer");
  }
  if (close(fd)) fail("closing it");
  char directory[32], name[48];
  snprintf(directory, sizeof directory, "after-%d-%lx", getpid(), (long)pthread_self());
  snprintf(name, sizeof name, "%s/x", directory);
  if (mkdir(directory, 0755)) fail("mkdir");
  fd = open(name, O_RDWR | O_CREAT, 0644);
  if (fd < 0 || write(fd, "abc", 3) != 3 || close(fd)) fail("a new file");
  if (unlink(name) || rmdir(directory)) fail("removing it");
  return NULL;
}

static void check_afterwards(void) {
  alarm(30);
  use_everything(NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, use_everything, NULL) || pthread_join(thread, NULL)) fail("a thread");
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    alarm(30);
    use_everything(NULL);
    _exit(0);
  }
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) { printf("child %d, status %x\n", child, status); fail("a child"); }
  // All that may be open at a time: nothing of it has been used up.
  static int fds[file_count_max];
  int count = 0;
  while (count < file_count_max && (fds[count] = open("shared", O_RDONLY)) >= 0) count++;
  if (count < file_count_max - 20) fail("opening very often");
  while (count > 0) close(fds[--count]);
}

static sigjmp_buf target;
static volatile sig_atomic_t is_armed;
static volatile long jump_count;

static void jump(int number) {
  if (!is_armed) return;
  is_armed = 0;
  jump_count++;
  siglongjmp(target, 1);
}

// Numbers of descriptors that nobody knows: as everywhere, open may have ended and not have returned when the handler left it.
static void close_unknown(int from) {
  for (int fd = from; fd < 64; fd++) close(fd);
}

static void run_jumps(long count) {
  volatile unsigned n = 0;
  volatile int opened = -1;
  volatile int shared = open("shared", O_RDWR | O_CREAT, 0644);
  if (shared < 0) fail("open");
  volatile int before = descriptors_open();
  struct sigaction action = {.sa_handler = jump};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval often = {{0, 61}, {0, 61}}, never = {{0, 0}, {0, 0}};
  volatile time_t end = time(NULL) + 60;
  while (jump_count < count && time(NULL) < end) {
    setitimer(ITIMER_REAL, &never, NULL);
    close_unknown(shared + 1);
    opened = -1;
    if (sigsetjmp(target, 1) == 0) {
      is_armed = 1;
      setitimer(ITIMER_REAL, &often, NULL);
      for (;;) one_call(n++, shared, &opened);
    }
  }
  is_armed = 0;
  setitimer(ITIMER_REAL, &never, NULL);
  signal(SIGALRM, SIG_DFL);
  close_unknown(shared + 1);
  if (jump_count < count) fail("jumps: too few");
  if (descriptors_open() != before) fail("descriptors were left over");
  check_afterwards();
}

// Threads that end in the middle of a call.

static int thread_file;

static void end_thread(int number) { pthread_exit(NULL); }

// Cancelled where the handler waits, or, in a thread that may be cancelled anywhere, in the call itself.
static void wait_to_be_cancelled(int number) { for (;;) pause(); }

static void *call_for_ever(void *how) {
  volatile int opened = -1;
  if (how != NULL) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  for (unsigned n = 0;; n++) if (n % 14 != 2 && n % 14 != 10) one_call(n, thread_file, &opened);
  return NULL;
}

static void run_threads(long count) {
  thread_file = open("shared", O_RDWR | O_CREAT, 0644);
  if (thread_file < 0) fail("open");
  struct sigaction ends = {.sa_handler = end_thread}, waits = {.sa_handler = wait_to_be_cancelled};
  sigaction(SIGUSR1, &ends, NULL);
  sigaction(SIGUSR2, &waits, NULL);
  for (long i = 0; i < count; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, call_for_ever, i % 4 == 3 ? "anywhere" : NULL)) fail("pthread_create");
    struct timespec pause = {0, 100000 + (i * 7919) % 300000};
    nanosleep(&pause, NULL);
    if (i % 4 == 0) pthread_kill(thread, SIGUSR1);
    if (i % 4 == 1) pthread_kill(thread, SIGUSR2);
    if (i % 4 != 0) pthread_cancel(thread);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    if ((errno = pthread_timedjoin_np(thread, NULL, &limit)) != 0) fail("a thread that is to end");
  }
  check_afterwards();
}

// All of it at once: threads that jump out of calls, threads that are cancelled in them, and children.

enum { worker_count = 4 };

static __thread sigjmp_buf own_target;
static __thread volatile sig_atomic_t may_jump;
static pthread_t workers[worker_count];
static volatile int is_over;

static void jump_in_thread(int number) {
  if (!may_jump) return;
  may_jump = 0;
  __sync_fetch_and_add(&jump_count, 1);
  siglongjmp(own_target, 1);
}

static void *jump_for_ever(void *seed) {
  volatile unsigned n = (unsigned)(uintptr_t)seed;
  volatile int opened = -1, own_file = -1;
  while (!is_over) {
    // A fork has made the last one an ordinary descriptor.
    if (own_file >= 0) close(own_file);
    own_file = open("shared", O_RDWR);
    if (sigsetjmp(own_target, 1) == 0) {
      may_jump = 1;
      // Descriptors that nobody knows would add up: they are made by the threads that are not left.
      while (!is_over) if (++n % 14 != 2 && n % 14 != 10) one_call(n, own_file, &opened);
    }
  }
  may_jump = 0;
  close(own_file);
  return NULL;
}

static void *open_for_ever(void *seed) {
  volatile int opened = -1;
  for (unsigned n = (unsigned)(uintptr_t)seed; !is_over; n++) one_call(n, thread_file, &opened);
  if (opened >= 0) close(opened);
  return NULL;
}

static void run_together(long seconds) {
  thread_file = open("shared", O_RDWR | O_CREAT, 0644);
  if (thread_file < 0) fail("open");
  struct sigaction jumps = {.sa_handler = jump_in_thread};
  sigaction(SIGUSR1, &jumps, NULL);
  pthread_t opener;
  if (pthread_create(&opener, NULL, open_for_ever, NULL)) fail("pthread_create");
  for (uintptr_t i = 0; i < worker_count; i++) if (pthread_create(&workers[i], NULL, jump_for_ever, (void *)(i * 3))) fail("pthread_create");
  time_t end = time(NULL) + seconds;
  for (long round = 0; time(NULL) < end; round++) {
    struct timespec pause = {0, 20000 + (round * 7919) % 100000};
    nanosleep(&pause, NULL);
    pthread_kill(workers[round % worker_count], SIGUSR1);
    if (round % 50 == 25) {
      pthread_t cancelled;
      if (pthread_create(&cancelled, NULL, call_for_ever, round % 100 == 25 ? "anywhere" : NULL)) fail("pthread_create");
      nanosleep(&pause, NULL);
      pthread_cancel(cancelled);
      if (pthread_join(cancelled, NULL)) fail("pthread_join");
    }
    if (round % 100 == 50) {
      int status = 0;
      pid_t child = fork();
      if (child == 0) {
        alarm(30);
        use_everything("others");
        _exit(0);
      }
      if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("a child in between");
    }
  }
  is_over = 1;
  for (int i = 0; i < worker_count; i++) if (pthread_join(workers[i], NULL)) fail("pthread_join");
  if (pthread_join(opener, NULL)) fail("pthread_join");
  if (jump_count < 100) fail("jumps: too few");
  check_afterwards();
}

int main(int count, char **arguments) {
  if (count != 4 || chdir(arguments[2])) return 2;
  memset(buffer, 'x', sizeof buffer);
  close_unknown(3);
  if (strcmp(arguments[1], "jumps") == 0) run_jumps(atol(arguments[3]));
  else if (strcmp(arguments[1], "threads") == 0) run_threads(atol(arguments[3]));
  else if (strcmp(arguments[1], "together") == 0) run_together(atol(arguments[3]));
  else return 2;
  return 0;
}
