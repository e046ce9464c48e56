/* SPDX-License-Identifier: Apache-2.0
 *
 * Has one of everything that a report can tell.
 */
#include "../../modules/testmod.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=described");
BP_MANIFEST("version=2.5");
BP_MANIFEST("summary=one of everything");
BP_MANIFEST("provides=described.quick");
BP_MANIFEST("provides=described.blocking");
BP_MANIFEST("offers=described.given");
BP_MANIFEST("emits=described.happened");
BP_MANIFEST("calls=other.name");
BP_MANIFEST("requires=bp.log/1");
BP_CDDL("described.quick.request = bytes\n");
BP_CDDL("described.quick.reply = bytes\n");

static void give(const bp_call* call) { tm_ok(call->token, "given"); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "described.quick", tm_echo);
  if (status == BP_OK) status = tm_register_as(module, "described.blocking", tm_echo, BP_HANDLER_BLOCKING);
  if (status == BP_OK) status = tm_offer(module, "described.given", give);
  return status;
}
TM_ENTRY(init);
