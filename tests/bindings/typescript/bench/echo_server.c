/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor of the bench: a server that answers each request on a Unix socket with the same bytes.
 *
 *   echo_server PATH REQUEST ANSWER [PARTS PART]
 *
 * REQUEST is the size of a request. ANSWER and PART are frames in hexadecimal digits. The answer of a request is PARTS
 * times PART, then ANSWER. The server has one thread, serves one connection after another, and does not look at the
 * requests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { room = 1 << 18 };

struct frames {
  char bytes[room]; /* as many copies of one frame as have room */
  size_t size;
  size_t copies;
};

static char input[room];
static struct frames answer;
static struct frames part;

static void fill(struct frames* out, const char* hex) {
  out->size = strlen(hex) / 2;
  if (out->size == 0 || out->size > room) exit(2);
  for (size_t at = 0; at < out->size; ++at) {
    unsigned byte = 0;
    if (sscanf(hex + 2 * at, "%2x", &byte) != 1) exit(2);
    out->bytes[at] = (char)byte;
  }
  for (out->copies = 1; (out->copies + 1) * out->size <= room; ++out->copies) {
    memcpy(out->bytes + out->copies * out->size, out->bytes, out->size);
  }
}

static int send_frames(int to, const struct frames* from, size_t count) {
  while (count > 0) {
    const size_t now = count < from->copies ? count : from->copies;
    for (size_t done = 0; done < now * from->size;) {
      const ssize_t written = write(to, from->bytes + done, now * from->size - done);
      if (written <= 0) return 0;
      done += (size_t)written;
    }
    count -= now;
  }
  return 1;
}

static void serve(int peer, size_t request, size_t parts) {
  size_t have = 0;
  for (;;) {
    const ssize_t got = read(peer, input, sizeof input);
    if (got <= 0) return;
    have += (size_t)got;
    const size_t requests = have / request;
    have %= request;
    if (parts == 0) {
      if (!send_frames(peer, &answer, requests)) return;
      continue;
    }
    for (size_t at = 0; at < requests; ++at) {
      if (!send_frames(peer, &part, parts) || !send_frames(peer, &answer, 1)) return;
    }
  }
}

int main(int count, char** arguments) {
  if (count != 4 && count != 6) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const size_t request = strtoul(arguments[2], NULL, 10);
  if (strlen(arguments[1]) >= sizeof address.sun_path || request == 0) return 2;
  strcpy(address.sun_path, arguments[1]);
  fill(&answer, arguments[3]);
  size_t parts = 0;
  if (count == 6) {
    parts = strtoul(arguments[4], NULL, 10);
    fill(&part, arguments[5]);
  }
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 8) != 0) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    const int peer = accept(listener, NULL, NULL);
    if (peer < 0) return 1;
    serve(peer, request, parts);
    close(peer);
  }
}
