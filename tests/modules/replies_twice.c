/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers twice. replies_twice.call answers "first" and then "second";
 * replies_twice.last_status tells with which status the host took the second one.
 */
#include "testmod.h"

TM_MANIFEST("replies_twice");
TM_PROVIDES("replies_twice.call");
TM_PROVIDES("replies_twice.last_status");

static bp_status last_status = BP_OK;

static bp_handled call_it(const bp_call* call) {
  tm_ok(call->token, "first");
  last_status = tm_ok(call->token, "second");
  return BP_DONE;
}

static bp_handled tell(const bp_call* call) {
  tm_ok_number(call->token, (uint64_t)last_status);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "replies_twice.call", call_it);
  if (status != BP_OK) return status;
  return tm_register(module, "replies_twice.last_status", tell);
}
TM_ENTRY(init);
