/* SPDX-License-Identifier: Apache-2.0
 *
 * What a host costs a client in C: bp_call_sync over a connection, in turns with the same bytes and a bare server.
 *
 *   c_client HOST_SOCKET BARE_SOCKET REQUEST ANSWER NAME PAYLOAD
 *
 * REQUEST and ANSWER are the sizes of the frames of the bare server. PAYLOAD is in hexadecimal digits. It prints a JSON
 * object: calls a second, one by one. */
#include <backplane/backplane.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { rounds = 9, calls = 1000, room = 4096 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void* a, const void* b) {
  const double difference = *(const double*)a - *(const double*)b;
  return (difference > 0) - (difference < 0);
}

static double median(double* values) {
  qsort(values, rounds, sizeof *values, by_value);
  return values[rounds / 2];
}

static int dial(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) exit(2);
  strcpy(address.sun_path, path);
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(made, (struct sockaddr*)&address, sizeof address) != 0) exit(1);
  return made;
}

static double bare(int peer, size_t request, size_t answer) {
  static char bytes[room];
  const double begin = seconds();
  for (int at = 0; at < calls; ++at) {
    if (write(peer, bytes, request) != (ssize_t)request) exit(1);
    for (size_t have = 0; have < answer;) {
      const ssize_t got = read(peer, bytes, answer - have);
      if (got <= 0) exit(1);
      have += (size_t)got;
    }
  }
  return calls / (seconds() - begin);
}

static double typed(bp_context context, bp_str name, bp_bytes payload) {
  const double begin = seconds();
  for (int at = 0; at < calls; ++at) {
    bp_result result = {.struct_size = sizeof result};
    if (bp_call_sync(context, name, payload, 0, &result) != BP_OK) exit(1);
    bp_result_free(&result);
  }
  return calls / (seconds() - begin);
}

int main(int count, char** arguments) {
  if (count != 7) return 2;
  const size_t request = strtoul(arguments[3], NULL, 10);
  const size_t answer = strtoul(arguments[4], NULL, 10);
  static uint8_t payload[room];
  const size_t size = strlen(arguments[6]) / 2;
  if (request > room || answer > room || size > room) return 2;
  for (size_t at = 0; at < size; ++at) {
    unsigned byte = 0;
    if (sscanf(arguments[6] + 2 * at, "%2x", &byte) != 1) return 2;
    payload[at] = (uint8_t)byte;
  }
  const bp_connect_options options = {.struct_size = sizeof options, .socket_path = arguments[1]};
  bp_context context;
  if (bp_context_connect(&options, &context, NULL) != BP_OK) return 1;
  const bp_str name = {arguments[5], strlen(arguments[5])};
  const int peer = dial(arguments[2]);
  double floors[rounds];
  double rows[rounds];
  double ratios[rounds];
  for (int round = -1; round < rounds; ++round) { /* the first one warms up */
    const double floor = bare(peer, request, answer);
    const double row = typed(context, name, (bp_bytes){payload, size});
    if (round < 0) continue;
    floors[round] = floor;
    rows[round] = row;
    ratios[round] = floor / row;
  }
  printf("{\"name\":\"bp_call_sync in C, one by one\",\"ratio\":%.2f,\"floor\":%.0f,\"client\":%.0f}\n", median(ratios),
         median(floors), median(rows));
  close(peer);
  bp_context_destroy(context);
  return 0;
}
