/* SPDX-License-Identifier: Apache-2.0
 *
 * libmagic: tells the type of a file by its first bytes.
 */
#include <magic.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=magic");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=magic.work");
BP_MANIFEST("provides=magic.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

static magic_t opened(void) {
  magic_t cookie = magic_open(MAGIC_MIME_TYPE);
  if (cookie != NULL && magic_load(cookie, NULL) == 0) return cookie;
  if (cookie != NULL) magic_close(cookie);
  return NULL;
}

static bp_handled answer_type(const bp_call* call) {
  const char* type = magic_buffer(call->state, call->payload.data, call->payload.size);
  return type != NULL ? answer(call, type, strlen(type)) : refuse(call, magic_error(call->state));
}

/* On a worker: a cookie serves one thread at a time, so it opens its own. */
static bp_handled answer_long(const bp_call* call) {
  magic_t cookie = opened();
  while (cookie != NULL && !canceled(call)) magic_buffer(cookie, call->payload.data, call->payload.size);
  if (cookie == NULL) return refuse(call, "no database of types");
  magic_close(cookie);
  return BP_DONE;
}

static bp_status instance_create(void* data, bp_instance* instance, void** state) {
  (void)instance;
  *state = opened();
  return *state != NULL ? BP_OK : unfit(data, "no database of types");
}

static void instance_destroy(void* state) { magic_close(state); }

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  use(api);
  *data = module;
  bp_status status = add(module, "magic.work", answer_type, 0, 1 << 20);
  return status == BP_OK ? add(module, "magic.long", answer_long, BP_HANDLER_BLOCKING, 0) : status;
}

BP_MODULE_ENTRY = {.struct_size = sizeof(bp_module_entry),
                   .abi_major = BP_ABI_MAJOR,
                   .abi_minor = BP_ABI_MINOR,
                   .init = init,
                   .instance_create = instance_create,
                   .instance_destroy = instance_destroy};
