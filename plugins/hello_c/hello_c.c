/* SPDX-License-Identifier: Apache-2.0
 *
 * A module in plain C that includes only backplane/plugin.h and backplane/cbor.h.
 *
 *   hello_c.greet "Ada"   → "Hello, Ada!"                answers at once
 *   hello_c.later 250     → "Hello, 250 ms later!"       answers from a thread of the module
 *   hello_c.count         → 2                            the number of greetings in this context
 *
 * Read this file from the bottom up: the entry, init, the instance, the handlers.
 */
#include "hello_c.h"

#include <backplane/cbor.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host reads the manifest without running the module. init must register exactly the names under `provides`;
 * otherwise the host refuses the module. */
BP_MANIFEST_ABI;
BP_MANIFEST("name=hello_c");
BP_MANIFEST("version=1.0.0");
BP_MANIFEST("summary=Greets, in plain C");
BP_MANIFEST("provides=hello_c.greet");
BP_MANIFEST("provides=hello_c.later");
BP_MANIFEST("provides=hello_c.count");

BP_CDDL(
    "hello_c.greet.request = tstr .size (1..200) ; whom to greet\n"
    "hello_c.greet.reply = tstr\n"
    "hello_c.later.request = uint .le 60000 ; milliseconds\n"
    "hello_c.later.reply = tstr\n"
    "hello_c.count.request = any ; not looked at\n"
    "hello_c.count.reply = uint\n");

const bp_host_api* hello_host;

/* The instance of the module in one context. Its handlers run on the context's request thread, one at a time. So
 * `greeted` needs no lock. */
typedef struct instance {
  uint64_t greeted;
  later* later;
} instance;

/* ---- Answers ---- */

void hello_refuse(bp_token call, bp_status status, bp_str message) {
  bp_answer answer = {sizeof answer, status, {NULL, 0}, message, {NULL, 0}, NULL};
  hello_host->reply(call, &answer);
}

void hello_refuse_payload(const bp_call* call, const char* expected) {
  char text[160];
  int size = call->payload.size == 0
                 ? snprintf(text, sizeof text, "found no payload; expected %s", expected)
                 : snprintf(text, sizeof text, "found a payload of %zu bytes that begins with 0x%02x; expected %s",
                            call->payload.size, call->payload.data[0], expected);
  hello_refuse(call->token, BP_BAD_PAYLOAD, (bp_str){text, (size_t)size});
}

/* Ends the call with what `out` has written. The host's buffer is not copied. */
static void reply_with(bp_token call, bp_cbor_writer* out) {
  bp_buffer* buffer = bp_cbor_take(out);
  if (buffer == NULL) {
    hello_refuse(call, BP_OUT_OF_MEMORY, BP_STR("out of memory for the answer"));
    return;
  }
  bp_answer answer = {sizeof answer, BP_OK, {NULL, 0}, {NULL, 0}, {NULL, 0}, buffer};
  /* The host refuses the answer if the call was canceled or its deadline has passed. The buffer is then still ours. */
  if (hello_host->reply(call, &answer) != BP_OK) hello_host->buffer_free(buffer);
}

void hello_reply(bp_token call, bp_str greeting, bp_str name) {
  char text[NAME_MAX_BYTES + 64];
  int size = snprintf(text, sizeof text, "%.*s, %.*s!", (int)greeting.size, greeting.data, (int)name.size, name.data);
  bp_cbor_writer out;
  bp_cbor_writer_init(&out, hello_host->buffer_new, hello_host->buffer_free);
  bp_cbor_put_text(&out, (bp_str){text, (size_t)size});
  reply_with(call, &out);
}

/* ---- Handlers ---- */

/* Reads the payload, which must be one CBOR text of 1 to NAME_MAX_BYTES bytes. */
static bool read_name(bp_bytes payload, bp_str* name) {
  bp_cbor_reader in;
  bp_cbor_begin(&in, payload);
  return bp_cbor_get_text(&in, name) && bp_cbor_end(&in) && name->size > 0 && name->size <= NAME_MAX_BYTES;
}

static bp_handled greet(const bp_call* call) {
  instance* self = call->state;
  bp_str name;
  if (!read_name(call->payload, &name)) {
    hello_refuse_payload(call, "the name to greet, one CBOR text of 1 to 200 bytes");
    return BP_DONE;
  }
  self->greeted++;
  hello_reply(call->token, BP_STR("Hello"), name);
  return BP_DONE;
}

static bp_handled greet_later(const bp_call* call) {
  instance* self = call->state;
  bp_handled handled = later_handle(self->later, call);
  if (handled == BP_LATER) self->greeted++;
  return handled;
}

static bp_handled count(const bp_call* call) {
  const instance* self = call->state;
  uint8_t memory[BP_CBOR_HEAD_MAX];
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, sizeof memory);
  bp_cbor_put_uint(&out, self->greeted);
  bp_answer answer = {sizeof answer, BP_OK, bp_cbor_view(&out), {NULL, 0}, {NULL, 0}, NULL};
  hello_host->reply(call->token, &answer); /* copies the payload before it returns */
  return BP_DONE;
}

/* ---- The instance: one for each context ---- */

static bp_status instance_create(void* module_data, bp_instance* handle, void** state) {
  (void)handle; /* a module that emits events would keep it */
  instance* self = calloc(1, sizeof *self);
  if (self != NULL) self->later = later_new();
  if (self == NULL || self->later == NULL) {
    free(self);
    hello_host->fail(module_data, BP_STR("out of memory for the instance"));
    return BP_OUT_OF_MEMORY;
  }
  *state = self;
  return BP_OK;
}

static void instance_destroy(void* state) {
  instance* self = state;
  later_free(self->later);
  free(self);
}

/* ---- The module: once for each generation ---- */

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  const bp_handler_desc handlers[] = {
      {sizeof(bp_handler_desc), 0, BP_STR("hello_c.greet"), greet, NULL},
      {sizeof(bp_handler_desc), 0, BP_STR("hello_c.later"), greet_later, NULL},
      {sizeof(bp_handler_desc), 0, BP_STR("hello_c.count"), count, NULL},
  };
  hello_host = host;
  *module_data = module; /* instance_create needs it to report why it fails */
  for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
    bp_status status = host->register_handler(module, &handlers[i]);
    if (status != BP_OK) return status; /* nothing has been created yet, so nothing must be undone */
  }
  return BP_OK;
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, instance_create, instance_destroy, NULL,
};
