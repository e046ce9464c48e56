/* SPDX-License-Identifier: Apache-2.0
 *
 * Says it is done, and has answered nothing.
 */
#include "testmod.h"

TM_MANIFEST("never_replies");
TM_PROVIDES("never_replies.call");

static bp_handled call_it(const bp_call* call) {
  (void)call;
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_register(module, "never_replies.call", call_it);
}
TM_ENTRY(init);
