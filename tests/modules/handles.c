/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects under ids. handles.put TEXT answers an id; handles.get ID answers the text; handles.get_other ID asks
 * for it as another type; handles.release ID ends it; handles.released answers how many were freed.
 */
#include <stdlib.h>

#include "testmod.h"

#include "backplane/ext/handle.h"

TM_MANIFEST("handles");
BP_MANIFEST("requires=" BP_EXT_HANDLE);
TM_PROVIDES("handles.put");
TM_PROVIDES("handles.get");
TM_PROVIDES("handles.get_other");
TM_PROVIDES("handles.release");
TM_PROVIDES("handles.released");

typedef struct object {
  size_t size;
  char text[];
} object;

static const char object_type, other_type;
static const bp_handle_api* handles;
static uint64_t released;

static void release_object(void* o) {
  released++;
  free(o);
}

static bp_handled put(const bp_call* call) {
  object* o = malloc(sizeof *o + call->payload.size);
  if (o == NULL) return BP_DONE;
  o->size = call->payload.size;
  memcpy(o->text, call->payload.data, o->size);
  uint64_t id = 0;
  bp_status status = handles->put(call->instance, &object_type, o, release_object, &id);
  if (status == BP_OK) {
    tm_ok_number(call->token, id);
  } else {
    free(o);
    tm_error(call->token, status, "put was refused");
  }
  return BP_DONE;
}

static bp_handled get_as(const bp_call* call, const void* type) {
  const object* o = handles->get(call->instance, type, tm_number(call->payload));
  if (o == NULL)
    tm_error(call->token, BP_INVALID_HANDLE, "no object of this type under this id");
  else
    tm_answer(call->token, BP_OK, o->text, o->size);
  return BP_DONE;
}

static bp_handled get(const bp_call* call) { return get_as(call, &object_type); }
static bp_handled get_other(const bp_call* call) { return get_as(call, &other_type); }

static bp_handled release(const bp_call* call) {
  bp_status status = handles->release(call->instance, &object_type, tm_number(call->payload));
  if (status == BP_OK)
    tm_ok(call->token, "released");
  else
    tm_error(call->token, status, "release was refused");
  return BP_DONE;
}

static bp_handled tell_released(const bp_call* call) {
  tm_ok_number(call->token, released);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  handles = host->extension(BP_EXT_HANDLE);
  bp_status status = tm_register(module, "handles.put", put);
  if (status == BP_OK) status = tm_register(module, "handles.get", get);
  if (status == BP_OK) status = tm_register(module, "handles.get_other", get_other);
  if (status == BP_OK) status = tm_register(module, "handles.release", release);
  if (status == BP_OK) status = tm_register(module, "handles.released", tell_released);
  return status;
}
TM_ENTRY(init);
