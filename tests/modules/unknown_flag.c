/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers a handler with a flag from the future.
 */
#include "testmod.h"

TM_MANIFEST("unknown_flag");
TM_PROVIDES("unknown_flag.echo");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_register_as(module, "unknown_flag.echo", tm_echo, 1u << 30);
}
TM_ENTRY(init);
