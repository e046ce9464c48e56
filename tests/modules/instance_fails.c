/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts as a module, but in no context.
 */
#include "testmod.h"

TM_MANIFEST("instance_fails");
TM_PROVIDES("instance_fails.echo");

static bp_module* self;

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  self = module;
  return tm_register(module, "instance_fails.echo", tm_echo);
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance, (void)state;
  tm_host->fail(self, tm_str("no room in this context"));
  return BP_ERROR;
}
TM_ENTRY_WITH_STATE(init, NULL, create, NULL);
