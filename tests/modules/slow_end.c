/* SPDX-License-Identifier: Apache-2.0
 *
 * Sound, but an instance that has been called takes 300 ms to end.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <time.h>

#include "testmod.h"

TM_MANIFEST("slow_end");
TM_PROVIDES("slow_end.echo");

static bp_handled echo(const bp_call* call) {
  *(int*)call->state = 1;
  return tm_echo(call);
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_register(module, "slow_end.echo", echo);
}

static bp_status instance_create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data;
  (void)instance;
  *state = calloc(1, sizeof(int));
  return *state != NULL ? BP_OK : BP_OUT_OF_MEMORY;
}

static void instance_destroy(void* state) {
  struct timespec span = {0, 300 * 1000000L};
  if (*(int*)state) nanosleep(&span, NULL);
  free(state);
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry),
    .abi_major = BP_ABI_MAJOR,
    .abi_minor = BP_ABI_MINOR,
    .init = init,
    .instance_create = instance_create,
    .instance_destroy = instance_destroy,
};
