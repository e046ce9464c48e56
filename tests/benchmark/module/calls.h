/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bench program orders of the module bench_calls: plain structs, with pointers into the process that both
 * are in.
 */
#ifndef BACKPLANE_BENCH_CALLS_H
#define BACKPLANE_BENCH_CALLS_H

#include <stdint.h>

/* bench_calls.take answers this of a payload of at least 16 bytes. */
typedef struct bench_taken {
  uint64_t size;
  uint64_t first; /* its first 8 bytes */
  uint64_t last;  /* and its last */
} bench_taken;

/* bench_calls.emit: emits `count` events bench_calls.tick. Each is `event`, whose first 8 bytes are its number, from 0
 * on. */
typedef struct bench_emission {
  uint64_t count;
  uint8_t* event;
  uint64_t event_size;
  void (*before)(void* user); /* each one */
  void (*after)(void* user);  /* the last one */
  void* user;
} bench_emission;

/* bench_calls.outward: calls the host function bench.twice, which answers twice the number it is given, `count` times
 * and waits each time. `samples`: NULL, or gets the nanoseconds of each. */
typedef struct bench_outward {
  uint64_t count;
  double* samples;
} bench_outward;

/* bench_calls.stream: sends `count` parts of `size` bytes, whose first 8 bytes are their number, from 0 on. `data` has
 * `size` bytes. */
typedef struct bench_stream {
  uint64_t count;
  uint8_t* data;
  uint64_t size;
} bench_stream;

/* bench_calls.spin: computes for so many microseconds, in decimal digits; answers what it got. */

#endif /* BACKPLANE_BENCH_CALLS_H */
