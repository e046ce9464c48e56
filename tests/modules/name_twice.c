/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers one wire name twice.
 */
#include "testmod.h"

TM_MANIFEST("name_twice");
TM_PROVIDES("name_twice.echo");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "name_twice.echo", tm_echo);
  if (status != BP_OK) return status;
  return tm_register(module, "name_twice.echo", tm_echo);
}
TM_ENTRY(init);
