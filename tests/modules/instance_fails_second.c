/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts in one context, and fails in each one made after that.
 */
#include <stdatomic.h>

#include "testmod.h"

TM_MANIFEST("instance_fails_second");
TM_PROVIDES("instance_fails_second.echo");

static bp_module* self;
static atomic_uint created;

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  self = module;
  return tm_register(module, "instance_fails_second.echo", tm_echo);
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance, (void)state;
  if (atomic_fetch_add(&created, 1) == 0) return BP_OK;
  tm_host->fail(self, tm_str("there is one already"));
  return BP_ERROR;
}
TM_ENTRY_WITH_STATE(init, NULL, create, NULL);
