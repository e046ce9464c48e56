/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmarks of C and C++ share: rounds in turns with a floor, and the floors in plain C. For both languages.
 */
#ifndef BACKPLANE_BINDINGS_ROUNDS_H
#define BACKPLANE_BINDINGS_ROUNDS_H

#include <backplane/backplane.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Less than this only shows that it runs. */
#define SMOKE_SECONDS 0.1

enum { ROUNDS_AT_MOST = 4000, ROUNDS_AT_LEAST = 3, CALLS = 200, PARTS = 1000 };

static const char shout_request[] = "\xa1\x64text\x6bhello world"; /* {"text": "hello world"} */
static const char ticks_request[] =
    "\xa2\x65"
    "count\x19\x03\xe8\x6binterval_ms\x00"; /* 1000 without a wait */

typedef void run_fn(void* user, unsigned count);

static inline void require(int right, const char* what) {
  if (right) return;
  fprintf(stderr, "bench: wrong: %s\n", what);
  exit(1);
}

static inline double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double each_ns(run_fn* run, void* user, unsigned count) {
  const double begin = now_ns();
  run(user, count);
  return (now_ns() - begin) / count;
}

static inline int by_value(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static inline double median(double* values, unsigned count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 2];
}

/* A row and its floor take turns for so long. Prints the row as a line of JSON; `reach` is NULL or as run.py reads it.
 * The unit "parts/s" is a rate, and "ns" a duration. */
static inline void row(const char* name, const char* unit, const char* against, const char* reach, double seconds,
                       unsigned count, run_fn* ours, run_fn* floor, void* user) {
  static double values[ROUNDS_AT_MOST], floors[ROUNDS_AT_MOST];
  const double warm = now_ns() + seconds * 1e8, end = warm + seconds * 1e9;
  const int is_rate = strcmp(unit, "ns") != 0;
  unsigned n = 0;
  double value, least;
  if (seconds < SMOKE_SECONDS && !is_rate) count /= 20;
  do {
    each_ns(floor, user, count);
    each_ns(ours, user, count);
  } while (now_ns() < warm);
  while (n < ROUNDS_AT_MOST && (n < ROUNDS_AT_LEAST || now_ns() < end)) {
    floors[n] = each_ns(floor, user, count);
    values[n++] = each_ns(ours, user, count);
  }
  value = median(values, n);
  least = median(floors, n);
  printf("{\"row\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"against\": \"%s\", \"floor\": %.6g, ", name,
         is_rate ? 1e9 / value : value, unit, against, is_rate ? 1e9 / least : least);
  printf(reach != NULL ? "\"reach\": \"%s\"}\n" : "\"reach\": null}\n", reach);
  fflush(stdout);
}

/* ---- Floors: nothing is encoded, and nothing is read ---- */

static const char bare_call[] = "bp_call_sync with encoded bytes, in C";
static const char bare_parts[] = "bp_call_next of the same parts, in C";

static inline void call_bare(bp_context context, unsigned count) {
  const bp_bytes payload = {(const uint8_t*)shout_request, sizeof shout_request - 1};
  while (count-- > 0) {
    bp_result result;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    require(bp_call_sync(context, BP_STR("echo.shout"), payload, 0, &result) == BP_OK, "echo.shout");
    bp_result_free(&result);
  }
}

static inline void take_bare(bp_context context, unsigned count) {
  bp_submission submission;
  bp_result result;
  bp_pending call;
  unsigned parts = 0;
  memset(&submission, 0, sizeof submission);
  memset(&result, 0, sizeof result);
  submission.struct_size = sizeof submission;
  result.struct_size = sizeof result;
  submission.name = BP_STR("timer.ticks");
  submission.payload.data = (const uint8_t*)ticks_request;
  submission.payload.size = sizeof ticks_request - 1;
  require(bp_call_start(context, &submission, &call) == BP_OK, "timer.ticks");
  while (bp_call_next(call, BP_FOREVER, &result) == BP_PARTIAL) {
    parts++;
    bp_result_free(&result);
  }
  require(result.status == BP_OK && parts == count, "the parts of timer.ticks");
  bp_result_free(&result);
  bp_call_free(call);
}

/* The argument of a program: the seconds of each row. */
static inline double seconds_of(int count, char** arguments) {
  require(count == 3 && strcmp(arguments[1], "--seconds") == 0, "the arguments; expected --seconds S");
  return strtod(arguments[2], NULL);
}

#endif /* BACKPLANE_BINDINGS_ROUNDS_H */
