/* SPDX-License-Identifier: Apache-2.0
 *
 * Emits. emitter.raw "N SIZE" emits N events emitter.raw_event of SIZE bytes; emitter.typed the same as
 * emitter.typed_event, each payload a CBOR byte string of SIZE bytes. The bytes begin with the number of the
 * event, from 0 on, in decimal, as far as there is room, and go on with dots. Both answer "TAKEN REFUSED".
 */
#include <stdlib.h>

#include "testmod.h"

#include "backplane/ext/event.h"

TM_MANIFEST("emitter");
BP_MANIFEST("requires=" BP_EXT_EVENT);
TM_PROVIDES("emitter.raw");
TM_PROVIDES("emitter.typed");
BP_MANIFEST("emits=emitter.raw_event");
BP_MANIFEST("emits=emitter.typed_event");

enum { HEAD_SIZE = 5, SIZE_MAX_BYTES = 16 * 1024 * 1024 };

static const bp_event_api* events;

static void number_event(uint8_t* at, uint64_t size, uint64_t number) {
  char text[24];
  uint64_t digits = (uint64_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  memset(at, '.', size);
  memcpy(at, text, digits < size ? digits : size);
}

static bp_handled emit_many(const bp_call* call, const char* name, uint32_t flags) {
  size_t at = 0;
  uint64_t count = tm_next_number(call->payload, &at);
  uint64_t size = tm_next_number(call->payload, &at);
  uint8_t* bytes = size <= SIZE_MAX_BYTES ? malloc(HEAD_SIZE + size + 1) : NULL;
  if (bytes == NULL) {
    tm_error(call->token, BP_INVALID_ARGUMENT, "the size is above 16 MiB, or memory is short");
    return BP_DONE;
  }
  const uint8_t head[HEAD_SIZE] = {0x5a, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                   (uint8_t)size};
  memcpy(bytes, head, HEAD_SIZE);
  bp_bytes payload = flags & BP_EVENT_TYPED ? tm_bytes(bytes, HEAD_SIZE + size) : tm_bytes(bytes + HEAD_SIZE, size);

  uint64_t taken = 0;
  for (uint64_t i = 0; i < count; i++) {
    number_event(bytes + HEAD_SIZE, size, i);
    taken += events->emit(call->instance, tm_str(name), payload, flags) == BP_OK;
  }
  free(bytes);
  char text[64];
  snprintf(text, sizeof text, "%llu %llu", (unsigned long long)taken, (unsigned long long)(count - taken));
  tm_ok(call->token, text);
  return BP_DONE;
}

static bp_handled raw(const bp_call* call) { return emit_many(call, "emitter.raw_event", 0); }
static bp_handled typed(const bp_call* call) { return emit_many(call, "emitter.typed_event", BP_EVENT_TYPED); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  events = host->extension(BP_EXT_EVENT);
  bp_status status = tm_register(module, "emitter.raw", raw);
  if (status != BP_OK) return status;
  return tm_register(module, "emitter.typed", typed);
}
TM_ENTRY(init);
