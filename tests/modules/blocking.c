/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs on the worker pool. Both names take N, stay inside for N ms, and answer how many calls were at most
 * inside together so far: blocking.one_by_one must always say 1, blocking.together may say more.
 * blocking.await N awaits N ms on the worker. blocking.nest N calls blocking.together N and waits for it;
 * blocking.nest_alone, which is not declared concurrent, calls blocking.one_by_one, which can never be its
 * turn then.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdatomic.h>
#include <time.h>

#include "testmod.h"

#include "backplane/ext/await.h"

TM_MANIFEST("blocking");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("blocking.one_by_one");
TM_PROVIDES("blocking.together");
TM_PROVIDES("blocking.await");
TM_PROVIDES("blocking.nest");
TM_PROVIDES("blocking.nest_alone");

typedef struct crowd {
  atomic_uint inside;
  atomic_uint most;
} crowd;

static const bp_await_api* await;
static crowd alone;
static crowd together;

static bp_handled stay(crowd* c, const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  unsigned inside = atomic_fetch_add(&c->inside, 1) + 1;
  unsigned most = atomic_load(&c->most);
  while (inside > most && !atomic_compare_exchange_weak(&c->most, &most, inside)) {
  }
  struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
  nanosleep(&span, NULL);
  atomic_fetch_sub(&c->inside, 1);
  tm_ok_number(call->token, atomic_load(&c->most));
  return BP_DONE;
}

static bp_handled one_by_one(const bp_call* call) { return stay(&alone, call); }
static bp_handled all_together(const bp_call* call) { return stay(&together, call); }

static bp_handled await_on_worker(const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  bp_status status = await->sleep(call->token, ms);
  if (status == BP_OK)
    tm_ok_number(call->token, ms);
  else
    tm_error(call->token, status, "the sleep was ended");
  return BP_DONE;
}

static bp_handled call_and_wait(const bp_call* call, bp_str name) {
  bp_result result = {.struct_size = sizeof result};
  const bp_status status = await->call(call->token, name, call->payload, 0, &result);
  if (status == BP_OK) {
    tm_ok(call->token, "nested");
  } else {
    tm_error(call->token, status, "the nested call failed");
  }
  tm_host->result_free(&result);
  return BP_DONE;
}

static bp_handled nest(const bp_call* call) { return call_and_wait(call, BP_STR("blocking.together")); }
static bp_handled nest_alone(const bp_call* call) { return call_and_wait(call, BP_STR("blocking.one_by_one")); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  const uint32_t many = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register_as(module, "blocking.one_by_one", one_by_one, BP_HANDLER_BLOCKING);
  if (status == BP_OK) status = tm_register_as(module, "blocking.together", all_together, many);
  if (status == BP_OK) status = tm_register_as(module, "blocking.await", await_on_worker, BP_HANDLER_BLOCKING);
  if (status == BP_OK) status = tm_register_as(module, "blocking.nest", nest, many);
  if (status == BP_OK) status = tm_register_as(module, "blocking.nest_alone", nest_alone, BP_HANDLER_BLOCKING);
  return status;
}
TM_ENTRY(init);
