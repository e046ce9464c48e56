/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps its callers waiting. holder.keep takes a call and answers it only when holder.release comes,
 * which answers how many it released; without that, the calls stay open.
 */
#include "testmod.h"

TM_MANIFEST("holder");
TM_PROVIDES("holder.keep");
TM_PROVIDES("holder.release");

enum { HELD_MAX = 1024 };
/* One context at a time uses this module, so its request thread alone is here. */
static bp_token held[HELD_MAX];
static size_t count;

static bp_handled keep(const bp_call* call) {
  if (count == HELD_MAX) {
    tm_error(call->token, BP_OVERLOADED, "1024 calls are held already");
    return BP_DONE;
  }
  held[count++] = call->token;
  return BP_LATER;
}

static bp_handled release(const bp_call* call) {
  uint64_t taken = 0;
  for (size_t i = 0; i < count; i++) taken += tm_ok(held[i], "released") == BP_OK;
  count = 0;
  tm_ok_number(call->token, taken);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "holder.keep", keep);
  if (status != BP_OK) return status;
  return tm_register(module, "holder.release", release);
}
TM_ENTRY(init);
