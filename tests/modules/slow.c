/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks the request thread, which no handler should: slow.spin N and slow.sleep N, N in milliseconds.
 */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "testmod.h"

TM_MANIFEST("slow");
TM_PROVIDES("slow.spin");
TM_PROVIDES("slow.sleep");

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bp_handled spin(const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  uint64_t end = now_ms() + ms;
  while (now_ms() < end) {
  }
  tm_ok_number(call->token, ms);
  return BP_DONE;
}

static bp_handled sleep_through(const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
  nanosleep(&span, NULL);
  tm_ok_number(call->token, ms);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "slow.spin", spin);
  if (status != BP_OK) return status;
  return tm_register(module, "slow.sleep", sleep_through);
}
TM_ENTRY(init);
