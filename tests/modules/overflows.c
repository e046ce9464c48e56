/* SPDX-License-Identifier: Apache-2.0
 *
 * Each of its handlers ends the process: overflows.handler uses up its own stack, overflows.fiber that of its second
 * fiber, which has 32768 bytes, overflows.destroyed that of a fiber that is being destroyed, overflows.frame that of a
 * fiber by one frame larger than the stack, overflows.allocating that of a fiber within malloc or close to it;
 * overflows.null reads through a pointer next to null in a fiber.
 */
#include <stdlib.h>

#include "testmod.h"

#include "backplane/ext/fiber.h"

TM_MANIFEST("overflows");
BP_MANIFEST("requires=" BP_EXT_FIBER);
TM_PROVIDES("overflows.handler");
TM_PROVIDES("overflows.fiber");
TM_PROVIDES("overflows.destroyed");
TM_PROVIDES("overflows.frame");
TM_PROVIDES("overflows.allocating");
TM_PROVIDES("overflows.null");

static const bp_fiber_api* fibers;
static bp_token current;
static volatile uint64_t always = 1;
/* Near null: of null itself a sanitizer has its own word. */
static void* volatile* volatile nowhere = (void* volatile*)64;

#define FRAME __attribute__((noinline, noclone))

FRAME static uint64_t recurse(uint64_t depth) {
  volatile char used[100];
  used[0] = (char)depth;
  uint64_t below = always ? recurse(depth + 1) : 0;
  return below + (uint64_t)used[0];
}

FRAME static uint64_t allocate(void* outer) {
  void** volatile block = malloc(8);
  if (block == NULL) return 0;
  *block = outer;
  uint64_t below = always ? allocate(block) : 0;
  free(block);
  return below + 1;
}

/* Its lowest byte alone is touched, far below any guard. */
FRAME static uint64_t large_frame(void) {
  volatile char big[200 * 1024];
  big[0] = 1;
  return (uint64_t)big[0];
}

static bp_status recursing(void* arg) {
  (void)arg;
  return (bp_status)recurse(0);
}
static bp_status allocating(void* arg) { return (bp_status)allocate(arg); }
static bp_status of_large_frame(void* arg) {
  (void)arg;
  return (bp_status)large_frame();
}
static bp_status through_null(void* arg) {
  (void)arg;
  return *nowhere == NULL ? BP_OK : BP_CANCELED;
}
static bp_status recursing_when_canceled(void* arg) {
  (void)arg;
  if (fibers->switch_to(current, BP_FIBER_MAIN) == BP_CANCELED) recurse(0);
  return BP_CANCELED;
}
static bp_status going_home(void* arg) {
  (void)arg;
  return fibers->switch_to(current, BP_FIBER_MAIN);
}

/* Switches to a fiber and back, then to a second one; destroys that if it comes back. */
static bp_handled run(const bp_call* call, bp_fiber_entry_fn entry) {
  bp_fiber_desc desc = {sizeof desc, 0, going_home, NULL, NULL, 0};
  uint64_t id = 0;
  current = call->token;
  if (fibers->create(current, &desc, &id) == BP_OK) fibers->switch_to(current, id);
  desc.entry = entry;
  desc.stack_size = 32768;
  if (fibers->create(current, &desc, &id) == BP_OK && fibers->switch_to(current, id) == BP_OK)
    fibers->destroy(current, id);
  tm_error(call->token, BP_ERROR, "the process lives");
  return BP_DONE;
}

static bp_handled in_handler(const bp_call* call) {
  tm_ok_number(call->token, recurse(0));
  return BP_DONE;
}
static bp_handled in_fiber(const bp_call* call) { return run(call, recursing); }
static bp_handled in_destroyed(const bp_call* call) { return run(call, recursing_when_canceled); }
static bp_handled in_frame(const bp_call* call) { return run(call, of_large_frame); }
static bp_handled in_allocating(const bp_call* call) { return run(call, allocating); }
static bp_handled in_null(const bp_call* call) { return run(call, through_null); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  fibers = host->extension(BP_EXT_FIBER);
  bp_status status = tm_register(module, "overflows.handler", in_handler);
  if (status == BP_OK) status = tm_register(module, "overflows.fiber", in_fiber);
  if (status == BP_OK) status = tm_register(module, "overflows.destroyed", in_destroyed);
  if (status == BP_OK) status = tm_register(module, "overflows.frame", in_frame);
  if (status == BP_OK) status = tm_register(module, "overflows.allocating", in_allocating);
  if (status == BP_OK) status = tm_register(module, "overflows.null", in_null);
  return status;
}
TM_ENTRY(init);
