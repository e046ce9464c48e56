/* SPDX-License-Identifier: Apache-2.0
 *
 * A module in C11, built with pkg-config alone:
 *
 *   cc -std=c11 -O2 counter.c $(pkg-config --cflags --libs backplane-module) -o counter.so
 *
 * counter.next answers 1, 2, 3 ... */
#include <backplane/plugin.h>
#include <stdlib.h>

BP_MANIFEST_ABI;
BP_MANIFEST("name=counter");
BP_MANIFEST("version=1.0.0");
BP_MANIFEST("provides=counter.next");

BP_CDDL(
    "counter.next.request = any ; not looked at\n"
    "counter.next.reply = uint\n");

static const bp_host_api* host;

static bp_handled next(const bp_call* call) {
  uint16_t* count = call->state;
  ++*count;
  uint8_t bytes[3] = {0x19, (uint8_t)(*count >> 8), (uint8_t)*count}; /* CBOR: an unsigned integer of two bytes */
  bp_answer answer = {.struct_size = sizeof answer, .status = BP_OK, .payload = {bytes, sizeof bytes}};
  host->reply(call->token, &answer);
  return BP_DONE;
}

static bp_status instance_create(void* module_data, bp_instance* handle, void** state) {
  (void)module_data;
  (void)handle;
  *state = calloc(1, sizeof(uint16_t));
  return *state != NULL ? BP_OK : BP_OUT_OF_MEMORY;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** module_data) {
  (void)module_data;
  host = api;
  const bp_handler_desc handler = {.struct_size = sizeof handler, .name = BP_STR("counter.next"), .handler = next};
  return host->register_handler(module, &handler);
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, instance_create, free, NULL,
};
