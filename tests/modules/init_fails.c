/* SPDX-License-Identifier: Apache-2.0
 *
 * init says why, and fails; the name it registered before must not stay.
 */
#include "testmod.h"

TM_MANIFEST("init_fails");
TM_PROVIDES("init_fails.echo");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "init_fails.echo", tm_echo);
  if (status != BP_OK) return status;
  host->fail(module, tm_str("the moon is not full"));
  return BP_ERROR;
}
TM_ENTRY(init);
