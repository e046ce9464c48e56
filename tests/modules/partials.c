/* SPDX-License-Identifier: Apache-2.0
 *
 * partials.count N answers 1 … N in partial replies, then "end"; partials.late N awaits 1 ms before each.
 */
#include "testmod.h"

#include "backplane/ext/await.h"

TM_MANIFEST("partials");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("partials.count");
TM_PROVIDES("partials.late");

static const bp_await_api* await;

static bp_handled count(const bp_call* call, int late) {
  uint64_t n = tm_number(call->payload);
  for (uint64_t i = 1; i <= n; i++) {
    if (late && await->sleep(call->token, 1) != BP_OK) break;
    char text[24];
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
    if (tm_answer(call->token, BP_PARTIAL, text, (size_t)size) != BP_OK) break;
  }
  tm_ok(call->token, "end");
  return BP_DONE;
}

static bp_handled count_now(const bp_call* call) { return count(call, 0); }
static bp_handled count_late(const bp_call* call) { return count(call, 1); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register(module, "partials.count", count_now);
  if (status != BP_OK) return status;
  return tm_register(module, "partials.late", count_late);
}
TM_ENTRY(init);
