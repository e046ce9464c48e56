/* SPDX-License-Identifier: Apache-2.0
 *
 * init registers a name that the manifest does not provide.
 */
#include "testmod.h"

TM_MANIFEST("manifest_says_less");
TM_PROVIDES("manifest_says_less.echo");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "manifest_says_less.echo", tm_echo);
  if (status != BP_OK) return status;
  return tm_register(module, "manifest_says_less.hidden", tm_echo);
}
TM_ENTRY(init);
