/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands for backplane-trial: writes to the file $TRIAL_RECORD how it was started, and "trial" for each request, one
 * line each time. It gives the requests to the real program, which it starts with its own descriptors.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char* record;

static void write_start(int steps) {
  FILE* const out = record == NULL ? NULL : fopen(record, "a");
  if (out == NULL) return;
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  int signals = 0;
  for (int i = 1; i < 65; ++i) {
    struct sigaction action;
    if (sigismember(&blocked, i) == 1) ++signals;
    if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL) ++signals;
  }
  struct rlimit core;
  getrlimit(RLIMIT_CORE, &core);
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  fprintf(out, "steps=%d signals=%d leader=%d core=%d death=%d fds=", steps, signals, getsid(0) == getpid(),
          (int)core.rlim_cur, death);
  DIR* const fds = opendir("/proc/self/fd");
  for (int fd = 0; fd < 1024; ++fd) {
    char link[64];
    char target[256];
    if (fd == dirfd(fds) || fd == fileno(out)) continue;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, target, sizeof target) > 0) fprintf(out, "%d,", fd);
  }
  closedir(fds);
  fputc('\n', out);
  fclose(out);
}

static void write_trial(void) {
  FILE* const out = record == NULL ? NULL : fopen(record, "a");
  if (out == NULL) return;
  fputs("trial\n", out);
  fclose(out);
}

static int transfer(int fd, char* bytes, size_t size, int reads) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = reads ? read(fd, bytes + done, size - done) : write(fd, bytes + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    done += (size_t)n;
  }
  return 1;
}

int main(int count, char** arguments) {
  static char text[1 << 20];
  record = getenv("TRIAL_RECORD");
  write_start(count - 1);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 127;
  const pid_t program = fork();
  if (program == 0) {
    dup2(ends[1], 0);
    execv(TRIAL_PROGRAM, arguments);
    _exit(127);
  }
  close(ends[1]);
  for (;;) {
    struct pollfd both[2] = {{0, POLLIN, 0}, {ends[0], 0, 0}};
    if (poll(both, 2, -1) < 0) continue;
    uint32_t size = 0;
    if (both[1].revents != 0) return 0; /* the program has ended */
    if (!transfer(0, (char*)&size, sizeof size, 1) || size > sizeof text || !transfer(0, text, size, 1)) return 0;
    write_trial();
    if (!transfer(ends[0], (char*)&size, sizeof size, 0) || !transfer(ends[0], text, size, 0)) return 0;
  }
}
