/* SPDX-License-Identifier: Apache-2.0
 *
 * Awaits. sleeper.sleep N awaits N ms and answers N, or the error that ended the wait.
 * sleeper.stubborn N awaits N ms in steps of one, whatever the awaits say, then answers how many of them
 * were not OK. sleeper.remaining answers the milliseconds until the deadline, or "none".
 */
#include "testmod.h"

#include "backplane/ext/await.h"

TM_MANIFEST("sleeper");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("sleeper.sleep");
TM_PROVIDES("sleeper.stubborn");
TM_PROVIDES("sleeper.remaining");

static const bp_await_api* await;

static bp_handled sleep_then_answer(const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  bp_status status = await->sleep(call->token, ms);
  if (status != BP_OK) {
    tm_error(call->token, status, "the sleep was ended");
    return BP_DONE;
  }
  tm_ok_number(call->token, ms);
  return BP_DONE;
}

static bp_handled stubborn(const bp_call* call) {
  uint64_t steps = tm_number(call->payload);
  uint64_t refused = 0;
  for (uint64_t i = 0; i < steps; i++) refused += await->sleep(call->token, 1) != BP_OK;
  tm_ok_number(call->token, refused);
  return BP_DONE;
}

static bp_handled remaining(const bp_call* call) {
  uint64_t ms = 0;
  bp_status status = await->check(call->token, &ms);
  if (status != BP_OK)
    tm_error(call->token, status, "not wanted any more");
  else if (ms == UINT64_MAX)
    tm_ok(call->token, "none");
  else
    tm_ok_number(call->token, ms);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register(module, "sleeper.sleep", sleep_then_answer);
  if (status == BP_OK) status = tm_register(module, "sleeper.stubborn", stubborn);
  if (status == BP_OK) status = tm_register(module, "sleeper.remaining", remaining);
  return status;
}
TM_ENTRY(init);
