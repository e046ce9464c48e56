/* SPDX-License-Identifier: Apache-2.0
 *
 * What generated C costs, against the functions of backplane.h. run.py runs it.
 */
#define _POSIX_C_SOURCE 200809L
#include <echo.h>
#include <timer.h>

#include "rounds.h"

typedef struct clients {
  bp_context context;
  struct echo_client echo;
  struct timer_client timer;
} clients;

static void shout(void* user, unsigned count) {
  const clients* const all = user;
  const struct echo_shout request = {BP_STR("hello world")};
  while (count-- > 0) {
    struct echo_shouted reply;
    bp_error error;
    require(echo_shout(&all->echo, &request, NULL, &reply, &error) == BP_OK, "echo.shout");
    require(reply.shouted.size == 11, "the answer of echo.shout");
    echo_shouted_free(&reply);
  }
}

static void ticks(void* user, unsigned count) {
  const clients* const all = user;
  const struct timer_ticks request = {count, 0};
  struct timer_tick part;
  struct timer_ticked reply;
  bp_error error;
  bp_pending call;
  unsigned parts = 0;
  require(timer_ticks_start(&all->timer, &request, NULL, &call, &error) == BP_OK, "timer.ticks");
  while (timer_ticks_next(call, BP_FOREVER, &part, &reply, &error) == BP_PARTIAL) {
    require(part.tick == ++parts, "a part of timer.ticks");
  }
  require(reply.ticks == count && parts == count, "the answer of timer.ticks");
  bp_call_free(call);
}

static void bare_shout(void* user, unsigned count) { call_bare(((const clients*)user)->context, count); }
static void bare_ticks(void* user, unsigned count) { take_bare(((const clients*)user)->context, count); }

static void load(bp_context context, const char* path) {
  bp_load_options options = {.struct_size = sizeof options, .path = path};
  bp_result result = {.struct_size = sizeof result};
  require(bp_module_load(context, &options, &result) == BP_OK, path);
  bp_result_free(&result);
}

int main(int count, char** arguments) {
  const double seconds = seconds_of(count, arguments);
  clients all;
  bp_error error;
  bp_result why = {.struct_size = sizeof why};
  bp_log_level(BP_LOG_ERROR);
  require(bp_context_create(NULL, &all.context, &why) == BP_OK, "bp_context_create");
  load(all.context, BENCH_PLUGINS "/echo.so");
  load(all.context, BENCH_PLUGINS "/timer.so");
  require(echo_open(all.context, &all.echo, &error) == BP_OK, "the interface of echo");
  require(timer_open(all.context, &all.timer, &error) == BP_OK, "the interface of timer");
  row("bindings.c.call", "ns", bare_call, NULL, seconds, CALLS, shout, bare_shout, &all);
  row("bindings.c.parts", "parts/s", bare_parts, NULL, seconds, PARTS, ticks, bare_ticks, &all);
  return bp_context_destroy(all.context) == BP_OK ? 0 : 1;
}
