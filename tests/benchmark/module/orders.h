/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bench program asks of its modules, and what they answer: plain structs, as bytes, so that no codec
 * is measured along.
 */
#ifndef BACKPLANE_BENCH_ORDERS_H
#define BACKPLANE_BENCH_ORDERS_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef struct bench_order {
  uint64_t count;    /* how often, or how many */
  uint32_t close;    /* many: 0: each is destroyed; 1: the environment is closed, which destroys them all */
  uint32_t reserved; /* 0 */
} bench_order;

typedef struct bench_report {
  uint64_t done;            /* what was seen to happen, counted where it happens; must be the order's count */
  uint64_t nanoseconds;     /* what is measured took */
  uint64_t resident_before; /* many: bytes of the process in memory, with none of the fibers */
  uint64_t resident_after;  /* and with all of them suspended */
} bench_report;

static inline uint64_t bench_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Bytes of this process in memory. The kernel may be some dozen pages behind for each thread, which is nothing
 * against what is measured with it. 0 if it does not tell. */
static inline uint64_t bench_resident(void) {
  unsigned long long all = 0, resident = 0;
  FILE* const file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  const int read = fscanf(file, "%llu %llu", &all, &resident);
  fclose(file);
  return read == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

#endif /* BACKPLANE_BENCH_ORDERS_H */
