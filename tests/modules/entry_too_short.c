/* SPDX-License-Identifier: Apache-2.0
 *
 * The entry says it is shorter than the first version of it ever was.
 */
#include "testmod.h"

TM_MANIFEST("entry_too_short");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)host, (void)module, (void)module_data;
  return BP_OK;
}
BP_MODULE_ENTRY = {8, BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL};
