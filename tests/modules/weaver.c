/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaves fibers suspended, in functions whose names a debugger can find. weaver.weave N makes two fibers and a third
 * that never runs, switches from its handler to the first, from there, N calls deep, to the second, which says a part
 * and sleeps until it is canceled. weaver.park says a part and sleeps, with no fiber.
 */
#include "testmod.h"

#include "backplane/ext/await.h"
#include "backplane/ext/fiber.h"

TM_MANIFEST("weaver");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_FIBER);
TM_PROVIDES("weaver.weave");
TM_PROVIDES("weaver.park");

static const bp_await_api* await;
static const bp_fiber_api* fibers;

typedef struct weave {
  bp_token call;
  uint64_t depth;
  uint64_t warp, weft;
} weave;

/* Frames of their own; the work after each call keeps it from being a jump. */
#define FRAME __attribute__((noinline, noclone))
static volatile int steps;

/* A frame whose size is not known beforehand is found by the frame pointer, which a debugger has to restore too. */
FRAME static bp_status weft_waits(const weave* w) {
  volatile char of_some_size[w->depth + 1];
  of_some_size[w->depth] = 0;
  tm_answer(w->call, BP_PARTIAL, "woven", 5);
  bp_status status = await->sleep(w->call, 3600 * 1000);
  steps += of_some_size[w->depth] + 1;
  return status;
}

FRAME static bp_status weft_entry(void* arg) {
  bp_status status = weft_waits(arg);
  steps++;
  return status;
}

FRAME static bp_status warp_goes_deeper(const weave* w, uint64_t depth) {
  bp_status status = depth == 0 ? fibers->switch_to(w->call, w->weft) : warp_goes_deeper(w, depth - 1);
  steps++;
  return status;
}

FRAME static bp_status warp_entry(void* arg) {
  const weave* w = arg;
  bp_status status = warp_goes_deeper(w, w->depth);
  steps++;
  return status;
}

FRAME static bp_status make(const weave* w, bp_fiber_entry_fn entry, uint64_t stack_size, uint64_t* id) {
  bp_fiber_desc desc = {sizeof desc, 0, entry, (void*)w, NULL, stack_size};
  return fibers->create(w->call, &desc, id);
}

FRAME static bp_status handler_switches(weave* w) {
  uint64_t never_run = 0;
  bp_status status = make(w, warp_entry, 32768, &w->warp);
  if (status == BP_OK) status = make(w, weft_entry, 0, &w->weft);
  if (status == BP_OK) status = make(w, weft_entry, 0, &never_run);
  if (status == BP_OK) status = fibers->switch_to(w->call, w->warp);
  steps++;
  fibers->close(w->call);
  return status;
}

FRAME static bp_handled weave_handler(const bp_call* call) {
  weave w = {call->token, tm_number(call->payload), 0, 0};
  tm_error(call->token, handler_switches(&w), "the weaving was ended");
  return BP_DONE;
}

FRAME static bp_handled park_handler(const bp_call* call) {
  tm_answer(call->token, BP_PARTIAL, "parked", 6);
  tm_error(call->token, await->sleep(call->token, 3600 * 1000), "the parking was ended");
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  fibers = host->extension(BP_EXT_FIBER);
  bp_status status = tm_register(module, "weaver.weave", weave_handler);
  if (status == BP_OK) status = tm_register(module, "weaver.park", park_handler);
  return status;
}
TM_ENTRY(init);
