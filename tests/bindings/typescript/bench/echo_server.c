/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor of the bench: reads requests of so many bytes from a Unix socket, and writes answers of so many bytes.
 *
 *   echo_server PATH REQUEST ANSWER
 *
 * It serves one connection after another, without a thread and without looking at the bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char input[1 << 18];
static char output[1 << 18];

static int write_all(int to, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t written = write(to, output + done, size - done);
    if (written <= 0) return 0;
    done += (size_t)written;
  }
  return 1;
}

static void serve(int peer, size_t request, size_t answer) {
  size_t have = 0;
  for (;;) {
    const ssize_t got = read(peer, input, sizeof input);
    if (got <= 0) return;
    have += (size_t)got;
    size_t answers = have / request;
    have %= request;
    while (answers > 0) {
      const size_t now = answers * answer <= sizeof output ? answers : sizeof output / answer;
      if (!write_all(peer, now * answer)) return;
      answers -= now;
    }
  }
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(arguments[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, arguments[1]);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 8) != 0) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    const int peer = accept(listener, NULL, NULL);
    if (peer < 0) return 1;
    serve(peer, strtoul(arguments[2], NULL, 10), strtoul(arguments[3], NULL, 10));
    close(peer);
  }
}
