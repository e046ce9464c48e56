/* SPDX-License-Identifier: Apache-2.0
 *
 * Sound, but each of its instances takes 200 ms to end.
 */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "testmod.h"

TM_MANIFEST("slow_end");
TM_PROVIDES("slow_end.echo");

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_register(module, "slow_end.echo", tm_echo);
}

static void instance_destroy(void* state) {
  (void)state;
  struct timespec span = {0, 200 * 1000000L};
  nanosleep(&span, NULL);
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry),
    .abi_major = BP_ABI_MAJOR,
    .abi_minor = BP_ABI_MINOR,
    .init = init,
    .instance_destroy = instance_destroy,
};
