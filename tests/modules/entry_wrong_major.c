/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest says ABI 1, the entry says 2.
 */
#include "testmod.h"

TM_MANIFEST("entry_wrong_major");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)host, (void)module, (void)module_data;
  return BP_OK;
}
BP_MODULE_ENTRY = {sizeof(bp_module_entry), 2, 0, 0, init, NULL, NULL, NULL, NULL};
