/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls outwards by the name that is its payload, and passes on what comes back:
 * asks.host a host function, asks.call another wire name, asks.blocking a host function from the worker pool.
 */
#include "testmod.h"

#include "backplane/ext/await.h"

TM_MANIFEST("asks");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("asks.host");
TM_PROVIDES("asks.call");
TM_PROVIDES("asks.blocking");

static const bp_await_api* await;

static bp_str name_of(const bp_call* call) {
  bp_str name = {(const char*)call->payload.data, call->payload.size};
  return name;
}

static bp_handled ask_host(const bp_call* call) {
  bp_result result = {.struct_size = sizeof result};
  await->host_call(call->token, name_of(call), tm_bytes("asked", 5), 0, &result);
  tm_pass_on(call->token, &result);
  return BP_DONE;
}

static bp_handled ask_call(const bp_call* call) {
  bp_result result = {.struct_size = sizeof result};
  await->call(call->token, name_of(call), tm_bytes("5", 1), 0, &result);
  tm_pass_on(call->token, &result);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register(module, "asks.host", ask_host);
  if (status == BP_OK) status = tm_register(module, "asks.call", ask_call);
  if (status == BP_OK) status = tm_register_as(module, "asks.blocking", ask_host, BP_HANDLER_BLOCKING);
  return status;
}
TM_ENTRY(init);
