/* SPDX-License-Identifier: Apache-2.0
 *
 * Needs a function that nobody has, so that mapping it fails.
 */
#include "testmod.h"

TM_MANIFEST("missing_symbol");
TM_PROVIDES("missing_symbol.call");

extern int backplane_test_function_nobody_has(void);

static bp_handled call_it(const bp_call* call) {
  tm_ok_number(call->token, (uint64_t)backplane_test_function_nobody_has());
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_register(module, "missing_symbol.call", call_it);
}
TM_ENTRY(init);
