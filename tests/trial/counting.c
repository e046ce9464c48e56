/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands for backplane-trial: writes to the file $TRIAL_RECORD how it was started, one line each time, and becomes the
 * real program.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int count, char** arguments) {
  (void)count;
  const char* const path = getenv("TRIAL_RECORD");
  FILE* const out = path == NULL ? NULL : fopen(path, "a");
  if (out != NULL) {
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
    fprintf(out, "steps=%d signals=%d leader=%d core=%d death=%d fds=", count - 1, signals, getsid(0) == getpid(),
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
  execv(TRIAL_PROGRAM, arguments);
  return 127;
}
